// Passes over whole arrays.
#include "numbers.cuh"
#include "threads.cuh"
#include "mask.cuh"

// y = dropout(x), both [rows, width]; they may be one. The gradient of a dropout is the same of the gradients.
extern "C" __global__ void dropout(bf16* y, const bf16* x, int rows, int width, Dropout dropout) {
    int row = row_of_warp();
    if (row >= rows) return;
    RowMask mask = mask_of_row(dropout, row);
    for (int c = lane_index(); c < width; c += WARP) {
        place i = (place)row * width + c;
        y[i] = narrow(mask.apply(widen(x[i]), c));
    }
}

// sum += x, both [length].
extern "C" __global__ void add(bf16* sum, const bf16* x, place length) {
    place i = index_of_thread();
    if (i < length) sum[i] = narrow(widen(sum[i]) + widen(x[i]));
}

// sum += x, both [length].
extern "C" __global__ void add_float32(float* sum, const float* x, place length) {
    place i = index_of_thread();
    if (i < length) sum[i] += x[i];
}

// y = x, both [length], rounded.
extern "C" __global__ void round_to_bf16(bf16* y, const float* x, place length) {
    place i = index_of_thread();
    if (i < length) y[i] = narrow(x[i]);
}
