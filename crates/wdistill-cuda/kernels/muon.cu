// What Muon does to one matrix beside products.
#include "numbers.cuh"
#include "threads.cuh"

// moment = keep * moment + add * gradient, update = keep * moment + add * gradient with the new moment, all [length].
extern "C" __global__ void muon_momentum(float* update, float* moment, const float* gradient, place length, float keep, float add) {
    place i = index_of_thread();
    if (i >= length) return;
    float g = add * gradient[i], m = keep * moment[i] + g;
    moment[i] = m;
    update[i] = keep * m + g;
}

// x /= max(|x|, smallest), where |x|^2 is the sum of `count` sums of squares, in their order.
extern "C" __global__ void divide_by_norm(float* x, const double* squares, int count, float smallest, place length) {
    place i = index_of_thread();
    if (i >= length) return;
    double sum = 0;
    for (int piece = 0; piece < count; piece++) sum += squares[piece];
    x[i] /= fmaxf((float)sqrt(sum), smallest);
}

// y = a * x + b * y, both [length].
extern "C" __global__ void combine(float* y, const float* x, place length, float a, float b) {
    place i = index_of_thread();
    if (i < length) y[i] = a * x[i] + b * y[i];
}

// p = keep * p - rate * update, all [length]; rounded = p in bfloat16.
extern "C" __global__ void muon_finish(float* parameters, bf16* rounded, const float* update, place length, float keep,
        float rate) {
    place i = index_of_thread();
    if (i >= length) return;
    float p = parameters[i] * keep - rate * update[i];
    parameters[i] = p;
    rounded[i] = narrow(p);
}
