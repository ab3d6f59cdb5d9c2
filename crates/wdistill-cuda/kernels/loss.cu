// Cross-entropy of a chunk of logits against right words and a teacher's distribution.
#include "numbers.cuh"
#include "threads.cuh"

// Weights of the parts of every row's loss, and what its gradient is multiplied by.
struct LossWeights {
    float target;   // of the right word's -ln p
    float every;    // of every word's -ln p
    float teacher;  // of the teacher's cross-entropy
    float factor;
    int has_gradients;
};

// Maximum and sum of exponentials of a row, of which exp(x - largest) / sum are the probabilities.
struct Softmax {
    float largest, sum;

    __device__ float power(bf16 logit) const { return expf(widen(logit) - largest); }
};

__device__ inline Softmax softmax_of(const bf16* logits, int length, float* scratch) {
    float largest = negative_infinity();
    for (int j = threadIdx.x; j < length; j += blockDim.x) largest = fmaxf(largest, widen(logits[j]));
    Softmax softmax = {block_max(largest, scratch), 0};
    float sum = 0;
    for (int j = threadIdx.x; j < length; j += blockDim.x) sum += softmax.power(logits[j]);
    softmax.sum = block_sum(sum, scratch);
    return softmax;
}

// A block a row of logits [rows, words], with p = softmax(logits), t = targets[row], w the weights, and q = softmax(teacher) where
// there is a teacher [rows, words]:
// results[row] = {w.target * -ln p(t) + w.every * sum of -ln p(j) + w.teacher * sum of q(j) * -ln p(j), -ln p(t), is t the first of
// the most probable words}. With gradients, logits[row, j] becomes
// factor * ((w.target + words * w.every + w.teacher) p(j) - w.every - w.target [j = t] - w.teacher q(j)), whose first bracket is 1.
// Shared memory: a number a warp.
extern "C" __global__ void cross_entropy(double* results, bf16* logits, const bf16* teacher, const unsigned* targets, int words,
        LossWeights weights) {
    int row = blockIdx.x, target = targets[row];
    bf16* own = logits + (place)row * words;
    const bf16* other = teacher ? teacher + (place)row * words : 0;
    Softmax p = softmax_of(own, words, shared), q = {0, 1};
    if (other) q = softmax_of(other, words, shared);
    float target_logit = widen(own[target]), logit_sum = 0, expected_logit = 0, equals_before = 0;
    for (int j = threadIdx.x; j < words; j += blockDim.x) {
        float logit = widen(own[j]);
        logit_sum += logit;
        if (other) expected_logit += q.power(other[j]) * logit;
        if (j < target && logit == p.largest) equals_before += 1;
    }
    logit_sum = block_sum(logit_sum, shared);
    expected_logit = block_sum(expected_logit, shared) / q.sum;
    equals_before = block_sum(equals_before, shared);
    if (threadIdx.x == 0) {
        double log_sum = (double)p.largest + log((double)p.sum), likelihood = log_sum - target_logit;
        double loss = weights.target * likelihood + weights.every * (words * log_sum - logit_sum);
        if (other) loss += weights.teacher * (log_sum - expected_logit);
        results[3 * row] = loss;
        results[3 * row + 1] = likelihood;
        results[3 * row + 2] = target_logit == p.largest && equals_before == 0;
    }
    if (!weights.has_gradients) return;
    for (int j = threadIdx.x; j < words; j += blockDim.x) {
        float gradient = p.power(own[j]) / p.sum - weights.every - (j == target ? weights.target : 0.0f);
        if (other) gradient -= weights.teacher * (q.power(other[j]) / q.sum);
        own[j] = narrow(weights.factor * gradient);
    }
}
