// What stands around the product of a linear layer, y = dropout(activation(x W^T + b)).
#include "numbers.cuh"
#include "threads.cuh"
#include "mask.cuh"

// wdistill-base's Activation, and none.
const int NONE = 0, RELU = 1, SWISH = 2, GELU = 3;

// The standard normal's distribution function.
__device__ inline float normal_cdf(float x) { return 0.5f * erfcf(x * -0.70710678f); }

__device__ inline float activate(float x, int activation) {
    switch (activation) {
        // NaN fails the comparison and passes through, so that it stays visible.
        case RELU: return x < 0 ? 0.0f : x;
        case SWISH: return x * sigmoid(x);
        case GELU: return x * normal_cdf(x);
        default: return x;
    }
}

// The derivative of an activation at x, for those that keep x.
__device__ inline float slope_at(float x, int activation) {
    if (activation == SWISH) {
        float s = sigmoid(x);
        return s * (1 + x * (1 - s));
    }
    return activation == GELU ? normal_cdf(x) + x * 0.39894228f * expf(-0.5f * x * x) : 1.0f;
}

// y = dropout(activation(h)), both [rows, width]; they may be one. A warp a row.
extern "C" __global__ void linear_finish(bf16* y, const bf16* h, int rows, int width, int activation, Dropout dropout) {
    int row = row_of_warp();
    if (row >= rows) return;
    RowMask mask = mask_of_row(dropout, row);
    for (int c = lane_index(); c < width; c += WARP) {
        place i = (place)row * width + c;
        y[i] = narrow(mask.apply(activate(widen(h[i]), activation), c));
    }
}

// The gradient of h from that of y, in place: dy = dy * mask * activation'(h), all [rows, width]. `saved` is y for ReLU,
// whose zeros are those of the mask too, h for the others, and not read without an activation. partial[block, c] = the sum
// of column c over the block's `block_rows` rows, for the gradient of the bias. A thread a column.
extern "C" __global__ void linear_undo(bf16* dy, float* partial, const bf16* saved, int rows, int width, int block_rows,
        int activation, Dropout dropout) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= width) return;
    int end = min(rows, (int)(blockIdx.y + 1) * block_rows);
    float sum = 0;
    for (int row = blockIdx.y * block_rows; row < end; row++) {
        place i = (place)row * width + c;
        float slope = widen(dy[i]);
        if (activation == RELU)
            slope = widen(saved[i]) > 0 ? slope * dropout.factor : 0.0f;
        else {
            slope = mask_of_row(dropout, row).apply(slope, c);
            if (activation != NONE) slope *= slope_at(widen(saved[i]), activation);
        }
        bf16 stored = narrow(slope);
        dy[i] = stored;
        sum += widen(stored);
    }
    partial[(place)blockIdx.y * width + c] = sum;
}
