// Residual connections and layer normalisation. Forward a warp does a row.
#include "numbers.cuh"
#include "threads.cuh"
#include "mask.cuh"

// The mean of a row, and 1 / sqrt(variance + epsilon), for all threads of the warp. Each thread reads the columns that it
// may have written itself.
struct Statistics { float mean, reciprocal_deviation; };

__device__ inline Statistics statistics_of(const bf16* row, int width, float epsilon) {
    float sum = 0;
    for (int c = lane_index(); c < width; c += WARP) sum += widen(row[c]);
    float mean = warp_sum(sum) / width;
    float squares = 0;
    for (int c = lane_index(); c < width; c += WARP) {
        float centred = widen(row[c]) - mean;
        squares += centred * centred;
    }
    return {mean, 1.0f / sqrtf(warp_sum(squares) / width + epsilon)};
}

// y = gain * (x - mean) / sqrt(variance + epsilon) + bias of a row [width]; keeps its statistics.
__device__ inline void normalise_row(bf16* y, float* mean, float* reciprocal_deviation, const bf16* x,
        const float* gain, const float* bias, int width, float epsilon) {
    Statistics statistics = statistics_of(x, width, epsilon);
    for (int c = lane_index(); c < width; c += WARP) {
        float normalised = (widen(x[c]) - statistics.mean) * statistics.reciprocal_deviation;
        y[c] = narrow(normalised * gain[c] + bias[c]);
    }
    if (lane_index() == 0) {
        *mean = statistics.mean;
        *reciprocal_deviation = statistics.reciprocal_deviation;
    }
}

// y = x + dropout(branch) of a row [width].
__device__ inline void residual_row(bf16* y, const bf16* x, const bf16* branch, int width, RowMask mask) {
    for (int c = lane_index(); c < width; c += WARP)
        y[c] = narrow(widen(x[c]) + mask.apply(widen(branch[c]), c));
}

// y = x + dropout(branch), all [rows, width].
extern "C" __global__ void residual(bf16* y, const bf16* x, const bf16* branch, int rows, int width, Dropout dropout) {
    int row = row_of_warp();
    if (row >= rows) return;
    place start = (place)row * width;
    residual_row(y + start, x + start, branch + start, width, mask_of_row(dropout, row));
}

// y = norm(x), both [rows, width]; mean and reciprocal_deviation [rows].
extern "C" __global__ void norm_forward(bf16* y, float* mean, float* reciprocal_deviation, const bf16* x,
        const float* gain, const float* bias, int rows, int width, float epsilon) {
    int row = row_of_warp();
    if (row >= rows) return;
    place start = (place)row * width;
    normalise_row(y + start, mean + row, reciprocal_deviation + row, x + start, gain, bias, width, epsilon);
}

// sum = x + dropout(branch), y = norm(sum), all [rows, width]; mean and reciprocal_deviation [rows]. What is normalised is
// the sum as it is kept, so that the way back starts from the same numbers.
extern "C" __global__ void residual_norm_forward(bf16* y, bf16* sum, float* mean, float* reciprocal_deviation,
        const bf16* x, const bf16* branch, const float* gain, const float* bias, int rows, int width, float epsilon,
        Dropout dropout) {
    int row = row_of_warp();
    if (row >= rows) return;
    place start = (place)row * width;
    residual_row(sum + start, x + start, branch + start, width, mask_of_row(dropout, row));
    normalise_row(y + start, mean + row, reciprocal_deviation + row, sum + start, gain, bias, width, epsilon);
}

// With h = (x - mean) / deviation and g = dy * gain: d = (g - mean(g) - h mean(g h)) / deviation. dx = d or dx += d, and
// dbranch = dropout(d) where there is a branch; all [rows, width]. A block does `block_rows` rows, each warp every
// warps()-th of them, and writes its part of dgain = sum of dy * h and dbias = sum of dy: partial [blocks, 2, width].
// Shared memory: 2 * width numbers a warp.
extern "C" __global__ void norm_backward(bf16* dx, bf16* dbranch, float* partial, const bf16* dy, const bf16* x,
        const float* mean, const float* reciprocal_deviation, const float* gain, int rows, int width, int block_rows,
        int adds, Dropout dropout) {
    float* own = shared + warp_index() * 2 * width;
    for (int c = lane_index(); c < 2 * width; c += WARP) own[c] = 0;
    __syncwarp();
    int end = min(rows, (int)(blockIdx.x + 1) * block_rows);
    for (int row = blockIdx.x * block_rows + warp_index(); row < end; row += warps()) {
        place start = (place)row * width;
        float m = mean[row], r = reciprocal_deviation[row], gradient = 0, product = 0;
        for (int c = lane_index(); c < width; c += WARP) {
            float slope = widen(dy[start + c]), h = (widen(x[start + c]) - m) * r;
            gradient += slope * gain[c];
            product += slope * gain[c] * h;
            own[c] += slope * h;
            own[width + c] += slope;
        }
        gradient = warp_sum(gradient) / width;
        product = warp_sum(product) / width;
        RowMask mask = mask_of_row(dropout, row);
        for (int c = lane_index(); c < width; c += WARP) {
            float h = (widen(x[start + c]) - m) * r;
            float d = (widen(dy[start + c]) * gain[c] - gradient - h * product) * r;
            dx[start + c] = narrow(adds ? widen(dx[start + c]) + d : d);
            if (dbranch) dbranch[start + c] = narrow(mask.apply(d, c));
        }
    }
    __syncthreads();
    for (int c = threadIdx.x; c < 2 * width; c += blockDim.x) {
        float sum = 0;
        for (int warp = 0; warp < warps(); warp++) sum += shared[warp * 2 * width + c];
        partial[(place)blockIdx.x * 2 * width + c] = sum;
    }
}
