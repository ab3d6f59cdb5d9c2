// The element-wise operations of the parameter generator, in float32.
#include "numbers.cuh"
#include "threads.cuh"

// sum = sum over r < count of weights[r] * matrices[r], all [length]: a teacher's layers mixed by a layer factor.
extern "C" __global__ void weighted_sum(float* sum, const float* weights, const float* const* matrices, int count, place length) {
    place i = index_of_thread();
    if (i >= length) return;
    float total = 0;
    for (int r = 0; r < count; r++) total += weights[r] * matrices[r][i];
    sum[i] = total;
}

// partial[r, b] = the inner product of matrices[r] and dsum over piece b of `piece` numbers; the grid is [pieces, matrices].
// Shared memory: a float64 a warp.
extern "C" __global__ void weighted_sum_backward(double* partial, const float* const* matrices, const float* dsum, place length,
        int piece) {
    const float* matrix = matrices[blockIdx.y];
    place start = (place)blockIdx.x * piece, end = min(start + piece, length);
    double sum = 0;
    for (place i = start + threadIdx.x; i < end; i += blockDim.x) sum += (double)matrix[i] * dsum[i];
    sum = block_sum(sum, (double*)shared);
    if (threadIdx.x == 0) partial[(place)blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

// dweights[r] += sum over b < pieces of partial[r, b], in their order. A thread a weight.
extern "C" __global__ void add_weight_gradients(float* dweights, const double* partial, int count, int pieces) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= count) return;
    double sum = 0;
    for (int b = 0; b < pieces; b++) sum += partial[(place)r * pieces + b];
    dweights[r] += (float)sum;
}

// w = scale * tanh(v) + shift, all [length]; rounded = w in bfloat16.
extern "C" __global__ void scale_tanh_shift(float* w, bf16* rounded, const float* scale, const float* v, const float* shift,
        place length) {
    place i = index_of_thread();
    if (i >= length) return;
    float value = scale[i] * tanhf(v[i]) + shift[i];
    w[i] = value;
    rounded[i] = narrow(value);
}

// dscale = dw tanh(v), dv = dw scale (1 - tanh(v)^2), dshift = dw, all [length]; dv may be absent.
extern "C" __global__ void scale_tanh_shift_backward(float* dscale, float* dv, float* dshift, const float* dw, const float* scale,
        const float* v, place length) {
    place i = index_of_thread();
    if (i >= length) return;
    float slope = dw[i], t = tanhf(v[i]);
    dscale[i] = slope * t;
    if (dv) dv[i] = slope * scale[i] * (1 - t * t);
    dshift[i] = slope;
}
