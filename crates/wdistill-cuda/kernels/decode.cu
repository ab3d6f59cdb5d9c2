// What a decoder needs beside the operations of training: attention of single queries, rows by number, and the best words.
#include "numbers.cuh"
#include "threads.cuh"

struct RecallSizes {
    int queries, heads, head_width;
    float scale;  // 1 / sqrt(head_width)
};

// y = softmax(q K^T / sqrt(head_width)) V per head and query over the rows of K and V that the query sees, in their order: query i
// sees rows[starts[i]], ..., rows[starts[i + 1] - 1], and without rows y is zero. q and y [queries, heads * head_width], K and V
// [all rows, the same]. A warp a query and head, a thread a row of each 32. Shared memory: head_width numbers a warp.
extern "C" __global__ void recall(bf16* y, const bf16* queries, const bf16* keys, const bf16* values, const unsigned* starts,
        const unsigned* rows, RecallSizes sizes) {
    int query = row_of_warp() / sizes.heads, head = row_of_warp() % sizes.heads, width = sizes.heads * sizes.head_width;
    if (query >= sizes.queries) return;
    int first_column = head * sizes.head_width, lane = lane_index();
    const bf16* q = queries + (place)query * width + first_column;
    float* sums = shared + warp_index() * sizes.head_width;
    for (int c = lane; c < sizes.head_width; c += WARP) sums[c] = 0;
    float largest = negative_infinity(), total = 0;
    for (unsigned first = starts[query], end = starts[query + 1]; first < end; first += WARP) {
        int count = min(WARP, (int)(end - first));
        place row = lane < count ? (place)rows[first + lane] * width + first_column : 0;
        float score = negative_infinity();
        if (lane < count) {
            score = 0;
            for (int c = 0; c < sizes.head_width; c++) score += widen(q[c]) * widen(keys[row + c]);
            score *= sizes.scale;
        }
        float now = fmaxf(largest, warp_max(score));
        float power = lane < count ? expf(score - now) : 0.0f, correction = expf(largest - now);
        total = total * correction + warp_sum(power);
        largest = now;
        for (int c = lane; c < sizes.head_width; c += WARP) sums[c] *= correction;
        for (int j = 0; j < count; j++) {
            float weight = __shfl_sync(ALL_LANES, power, j);
            place of_weight = __shfl_sync(ALL_LANES, row, j);
            for (int c = lane; c < sizes.head_width; c += WARP) sums[c] += weight * widen(values[of_weight + c]);
        }
    }
    float factor = starts[query] == starts[query + 1] ? 0.0f : 1.0f / total;
    for (int c = lane; c < sizes.head_width; c += WARP) y[(place)query * width + first_column + c] = narrow(sums[c] * factor);
}

// y[i] = x[rows[i]] for i < count, rows of `width` numbers. A warp a row.
extern "C" __global__ void select_rows(bf16* y, const bf16* x, const unsigned* rows, int count, int width) {
    int row = row_of_warp();
    if (row >= count) return;
    for (int c = lane_index(); c < width; c += WARP) y[(place)row * width + c] = x[(place)rows[row] * width + c];
}

// A word and its logit. One is better than another if its logit is larger, or the same and the word comes first.
struct Candidate {
    float logit;
    int word;

    __device__ bool is_better_than(Candidate other) const {
        return logit > other.logit || (logit == other.logit && word < other.word);
    }
};

// The best of a block's candidates, for all its threads. `scratch` is shared memory for two numbers of each warp.
__device__ inline Candidate best_of_block(Candidate best, float* scratch) {
    int* words = (int*)(scratch + warps());
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        Candidate other = {__shfl_xor_sync(ALL_LANES, best.logit, distance), __shfl_xor_sync(ALL_LANES, best.word, distance)};
        if (other.is_better_than(best)) best = other;
    }
    if (lane_index() == 0) {
        scratch[warp_index()] = best.logit;
        words[warp_index()] = best.word;
    }
    __syncthreads();
    for (int warp = 0; warp < warps(); warp++) {
        Candidate other = {scratch[warp], words[warp]};
        if (other.is_better_than(best)) best = other;
    }
    __syncthreads();
    return best;
}

// The logit of a word with the bias [words] where there is one. What is no number is chosen last.
__device__ inline float logit_of(const float* logits, const bf16* bias, int word) {
    return logits[word] + (bias ? widen(bias[word]) : 0.0f);
}

// words[row, i] = the i-th best word of logits [rows, width] + bias, log_probabilities[row, i] = its logit less ln sum of
// e^logit, for i < k. If a logit of a row is no number, all its log-probabilities are none. A block a row. Shared memory: two
// numbers a warp.
extern "C" __global__ void best_words(float* log_probabilities, unsigned* words, const float* logits, const bf16* bias,
        int width, int k) {
    const float* own = logits + (place)blockIdx.x * width;
    float largest = negative_infinity();
    for (int j = threadIdx.x; j < width; j += blockDim.x) largest = fmaxf(largest, logit_of(own, bias, j));
    largest = block_max(largest, shared);
    float sum = 0;
    for (int j = threadIdx.x; j < width; j += blockDim.x) sum += expf(logit_of(own, bias, j) - largest);
    float log_sum = logf(block_sum(sum, shared));
    Candidate last = {-negative_infinity(), -1};
    for (int i = 0; i < k; i++) {
        Candidate best = {negative_infinity(), width};
        for (int j = threadIdx.x; j < width; j += blockDim.x) {
            float logit = logit_of(own, bias, j);
            Candidate candidate = {logit == logit ? logit : negative_infinity(), j};
            if (last.is_better_than(candidate) && candidate.is_better_than(best)) best = candidate;
        }
        last = best_of_block(best, shared);
        if (threadIdx.x == 0) {
            words[(place)blockIdx.x * k + i] = last.word;
            log_probabilities[(place)blockIdx.x * k + i] = last.logit - largest - log_sum;
        }
    }
}
