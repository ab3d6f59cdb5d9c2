// Sums of columns. Long ones take two stages: blocks of rows, then their sums in order.
#include "numbers.cuh"
#include "threads.cuh"

// partial[block, c] = sum of values[r, c] over the block's `block_rows` rows of values [rows, width]; a thread a column.
extern "C" __global__ void column_sums(float* partial, const bf16* values, int rows, int width, int block_rows) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= width) return;
    int end = min(rows, (int)(blockIdx.y + 1) * block_rows);
    float sum = 0;
    for (int row = blockIdx.y * block_rows; row < end; row++) sum += widen(values[(place)row * width + c]);
    partial[(place)blockIdx.y * width + c] = sum;
}

// sums[c] += sum over i of partial[i * stride + c], for c below width and i below count. A block does WARP columns: thread
// (x, y) adds the partial sums y, y + blockDim.y, ... of column x, and the first row of threads adds these in order.
// Shared memory: a number a thread.
extern "C" __global__ void add_partial_sums(float* sums, const float* partial, int count, int stride, int width) {
    int c = blockIdx.x * WARP + threadIdx.x;
    float sum = 0;
    if (c < width)
        for (int i = threadIdx.y; i < count; i += blockDim.y) sum += partial[(place)i * stride + c];
    shared[threadIdx.y * WARP + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || c >= width) return;
    for (int y = 1; y < blockDim.y; y++) sum += shared[y * WARP + threadIdx.x];
    sums[c] += sum;
}

// sums[i] += sum over rows of results[row, i] for i < columns, in float64. One block. Shared memory: a float64 a warp.
extern "C" __global__ void add_results(double* sums, const double* results, int rows, int columns) {
    for (int i = 0; i < columns; i++) {
        double sum = 0;
        for (int row = threadIdx.x; row < rows; row += blockDim.x) sum += results[(place)row * columns + i];
        sum = block_sum(sum, (double*)shared);
        if (threadIdx.x == 0) sums[i] += sum;
    }
}
