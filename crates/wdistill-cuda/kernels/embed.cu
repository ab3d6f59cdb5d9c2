// Token and position embeddings.
#include "numbers.cuh"
#include "threads.cuh"
#include "mask.cuh"

// In place of a token: its row of the table is zero.
const unsigned NO_TOKEN = 0xffffffffu;

// y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]]), y [rows, width]; a warp a row.
extern "C" __global__ void embed_forward(bf16* y, const unsigned* ids, const unsigned* position_ids, const bf16* table,
        const float* positions, int rows, int width, float scale, Dropout dropout) {
    int row = row_of_warp();
    if (row >= rows) return;
    unsigned id = ids[row];
    const float* position = positions + (place)position_ids[row] * width;
    RowMask mask = mask_of_row(dropout, row);
    for (int c = lane_index(); c < width; c += WARP) {
        float token = id == NO_TOKEN ? 0.0f : widen(table[(place)id * width + c]);
        y[(place)row * width + c] = narrow(mask.apply(token * scale + position[c], c));
    }
}

// dtable[word] += scale * sum of dropout(dy[r]) over the rows r of a word. Word number g is words[g], and its rows are
// rows[starts[g]], ..., rows[starts[g + 1] - 1]; a block does all of them for blockDim.x columns, in their order.
extern "C" __global__ void embed_backward(float* dtable, const bf16* dy, const unsigned* words, const unsigned* starts,
        const unsigned* rows, int width, float scale, Dropout dropout) {
    int c = blockIdx.y * blockDim.x + threadIdx.x;
    if (c >= width) return;
    float sum = 0;
    for (unsigned i = starts[blockIdx.x]; i < starts[blockIdx.x + 1]; i++) {
        unsigned row = rows[i];
        sum += mask_of_row(dropout, row).apply(widen(dy[(place)row * width + c]), c);
    }
    dtable[(place)words[blockIdx.x] * width + c] += scale * sum;
}
