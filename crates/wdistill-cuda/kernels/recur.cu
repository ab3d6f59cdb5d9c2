// The recurrence of a simpler simple recurrent unit: c(t) = f(t) c(t-1) + (1 - f(t)) a(t) with f = sigmoid(g), y = relu(c).
#include "numbers.cuh"
#include "threads.cuh"

// y [tokens, width] and the cells c [tokens, width], in float32, from candidates a and forget g [tokens, width]; before the
// first token of each sentence c = 0. Sentence s has the rows offsets[s], ..., offsets[s + 1] - 1; blockIdx.y is the sentence, a
// thread a column.
extern "C" __global__ void recur_forward(bf16* y, float* cells, const bf16* candidates, const bf16* forget, const unsigned* offsets,
        int width) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= width) return;
    float cell = 0;
    for (unsigned row = offsets[blockIdx.y]; row < offsets[blockIdx.y + 1]; row++) {
        place i = (place)row * width + c;
        float f = sigmoid(widen(forget[i]));
        cell = f * cell + (1 - f) * widen(candidates[i]);
        cells[i] = cell;
        y[i] = narrow(cell > 0 ? cell : 0.0f);
    }
}

// The gradients of candidates and forget from dy and the cells, all [tokens, width]: from the last token of a sentence to its
// first, with d(t) = [c(t) > 0] dy(t) + f(t+1) d(t+1): da = (1 - f) d, dg = (c(t-1) - a) f (1 - f) d.
extern "C" __global__ void recur_backward(bf16* dcandidates, bf16* dforget, const bf16* dy, const float* cells,
        const bf16* candidates, const bf16* forget, const unsigned* offsets, int width) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= width) return;
    unsigned first = offsets[blockIdx.y];
    float later = 0;
    for (unsigned row = offsets[blockIdx.y + 1]; row > first; row--) {
        place i = (place)(row - 1) * width + c;
        float f = sigmoid(widen(forget[i])), before = row - 1 > first ? cells[i - width] : 0.0f;
        float d = later + (cells[i] > 0 ? widen(dy[i]) : 0.0f);
        dcandidates[i] = narrow((1 - f) * d);
        dforget[i] = narrow((before - widen(candidates[i])) * f * (1 - f) * d);
        later = f * d;
    }
}
