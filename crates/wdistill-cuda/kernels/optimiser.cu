// The optimiser, over one flat buffer of all parameters.
#include "numbers.cuh"
#include "threads.cuh"

// The constants of one step of Adam or AdamW.
struct AdamConstants {
    float keep_first, add_first;    // beta1, 1 - beta1
    float keep_second, add_second;  // beta2, 1 - beta2
    float root_factor;              // 1 / sqrt(1 - beta2^t)
    float epsilon;
    float step_size;                // learning rate / (1 - beta1^t)
    float gradient_factor;
    float keep;                     // 1 - learning rate * weight decay
};

// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2 with g = gradient_factor * gradient;
// p = keep * p - step_size * m / (sqrt(v) * root_factor + epsilon), all [length]; rounded = p in bfloat16.
extern "C" __global__ void adam(float* parameters, float* first, float* second, bf16* rounded, const float* gradient,
        place length, AdamConstants constants) {
    place i = index_of_thread();
    if (i >= length) return;
    float g = gradient[i] * constants.gradient_factor;
    float m = constants.keep_first * first[i] + constants.add_first * g;
    float v = constants.keep_second * second[i] + constants.add_second * (g * g);
    float p = parameters[i] * constants.keep
        - constants.step_size * m / (sqrtf(v) * constants.root_factor + constants.epsilon);
    first[i] = m;
    second[i] = v;
    parameters[i] = p;
    rounded[i] = narrow(p);
}

// sums[b] = the inner product of a and b over piece b of `piece` numbers, both [length], in float64. With a = b it is the sum
// of squares. Shared memory: a float64 a warp.
extern "C" __global__ void dot_pieces(double* sums, const float* a, const float* b, place length, int piece) {
    place start = (place)blockIdx.x * piece, end = min(start + piece, length);
    double sum = 0;
    for (place i = start + threadIdx.x; i < end; i += blockDim.x) sum += (double)a[i] * b[i];
    sum = block_sum(sum, (double*)shared);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
