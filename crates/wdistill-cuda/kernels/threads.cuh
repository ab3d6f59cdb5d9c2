// What the threads of a warp and of a block do together. Every sum has one order.
#pragma once

const int WARP = 32;
const unsigned ALL_LANES = 0xffffffffu;

// The block's shared memory; its size is an argument of the launch.
extern __shared__ __align__(16) float shared[];

__device__ inline int lane_index() { return threadIdx.x % WARP; }
__device__ inline int warp_index() { return threadIdx.x / WARP; }
__device__ inline int warps() { return blockDim.x / WARP; }

// The row that a warp does where every warp of the grid has a row.
__device__ inline int row_of_warp() { return blockIdx.x * warps() + warp_index(); }

// The number that a thread does where every thread of the grid has a number.
__device__ inline long long index_of_thread() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }

// The sum over a warp, for all its threads.
template <typename T> __device__ inline T warp_sum(T value) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

// The largest value of a warp, for all its threads; NaN is passed over.
__device__ inline float warp_max(float value) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    return value;
}

// The sum over a block, for all its threads. `scratch` is shared memory for a number of each warp.
template <typename T> __device__ inline T block_sum(T value, T* scratch) {
    value = warp_sum(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    T sum = 0;
    for (int warp = 0; warp < warps(); warp++) sum += scratch[warp];
    __syncthreads();
    return sum;
}

// The largest value of a block, for all its threads; NaN is passed over.
__device__ inline float block_max(float value, float* scratch) {
    value = warp_max(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    float largest = scratch[0];
    for (int warp = 1; warp < warps(); warp++) largest = fmaxf(largest, scratch[warp]);
    __syncthreads();
    return largest;
}
