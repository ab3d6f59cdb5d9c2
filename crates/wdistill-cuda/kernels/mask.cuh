// The mask of a dropout: a hash of (seed, stream, row, column), bit for bit that of wdistill-kernels.
#pragma once

// A mask as the host prepares it. A threshold of 0 keeps everything.
struct Dropout {
    unsigned long long key;  // of seed and stream
    unsigned threshold;      // the rate times 2^32
    float factor;            // 1 / (1 - rate)
};

// The first number of SplitMix64's stream that starts at `state`.
__device__ inline unsigned long long mix(unsigned long long state) {
    state += 0x9e3779b97f4a7c15ull;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
    state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
    return state ^ (state >> 31);
}

// A mixer of 32 bits, one to one.
__device__ inline unsigned mix32(unsigned value) {
    value = (value ^ (value >> 16)) * 0x7feb352du;
    value = (value ^ (value >> 15)) * 0x846ca68bu;
    return value ^ (value >> 16);
}

// The mask of one row.
struct RowMask {
    unsigned low, high, threshold;
    float factor;

    __device__ bool keeps(unsigned column) const {
        return threshold == 0 || mix32(mix32(column ^ low) + high) >= threshold;
    }

    // `value` after dropout: a choice, not a product, so that a dropped infinity becomes zero.
    __device__ float apply(float value, unsigned column) const { return keeps(column) ? value * factor : 0.0f; }
};

__device__ inline RowMask mask_of_row(Dropout dropout, unsigned long long row) {
    if (dropout.threshold == 0) return {0, 0, 0, dropout.factor};
    unsigned long long key = mix(dropout.key ^ mix(row));
    return {(unsigned)key, (unsigned)(key >> 32), dropout.threshold, dropout.factor};
}
