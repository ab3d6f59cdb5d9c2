// Multi-head scaled dot-product attention over packed sentences, forward and backward, without atomics.
//
// A block works on one tile of queries or of keys of one sentence and head, and walks over the tiles of the other side. Tiles have
// as many rows as a warp has threads, so that in a row of scores every thread has a key. Probabilities are never stored: the way
// forward keeps the logarithm of each row's sum of exponentials, and the way back computes them again from that.
#include "numbers.cuh"
#include "threads.cuh"
#include "mask.cuh"

const int TILE = WARP;

// Numbers from one row of scores to the next: one more than a row has, so that columns lie in different banks.
const int SCORES = TILE + 1;

struct AttentionSizes {
    int heads, head_width;
    // Numbers from one row to the next: q, k and v may lie side by side. Gradients lie as what they are gradients of.
    int query_distance, key_distance, value_distance, output_distance;
    int is_causal;
    float scale;  // 1 / sqrt(head_width)
};

// Where a block works: rows `first`, ... of a sentence.
struct Tile { unsigned sentence, first; };

struct Sentence {
    int first_query, queries, first_key, keys;

    // How many keys a query sees: all, or itself and what came before.
    __device__ int visible(int query, int is_causal) const { return is_causal ? keys - queries + query + 1 : keys; }
};

__device__ inline Sentence sentence_of(const unsigned* query_offsets, const unsigned* key_offsets, unsigned index) {
    int query = query_offsets[index], key = key_offsets[index];
    return {query, (int)query_offsets[index + 1] - query, key, (int)key_offsets[index + 1] - key};
}

// Width of a head in shared memory: a multiple of what a thread does at a time.
__device__ inline int padded(int head_width) { return (head_width + 3) / 4 * 4; }

// Numbers from one row of a tile of bfloat16 to the next: two more than a row has, so that columns lie in different banks.
__device__ inline int tile_distance(int head_width) { return padded(head_width) + 2; }

// tile[r, c] = rows[r, c] for r below count and c below width, and zero elsewhere.
__device__ inline void load_tile(bf16* tile, const bf16* rows, int distance, int count, int width) {
    int length = tile_distance(width);
    for (int r = warp_index(); r < TILE; r += warps())
        for (int c = lane_index(); c < length; c += WARP)
            tile[r * length + c] = r < count && c < width ? rows[(place)r * distance + c] : 0;
}

// rows[r, c] = sums[r, c] for r below count and c below width.
__device__ inline void store_tile(bf16* rows, const float* sums, int distance, int count, int width) {
    for (int r = warp_index(); r < count; r += warps())
        for (int c = lane_index(); c < width; c += WARP)
            rows[(place)r * distance + c] = narrow(sums[r * padded(width) + c]);
}

// A matrix in shared memory: element (i, j) is data[i * row + j * column].
template <typename T> struct Operand { const T* data; int row, column; };

__device__ inline float value_of(bf16 x) { return widen(x); }
__device__ inline float value_of(float x) { return x; }

enum class Sum { Overwrite, Add };

// c[i, j] = sum over k of a[i, k] b[k, j], or c += that, for i < m, j < n, k < inner, with m rounded up to 2 and n to 4. A thread
// does elements of 2 rows and 4 columns at a time, far enough from each other that neighbours of a warp have neighbouring columns.
// All products of this file are computed here: tensor cores have their place in this function.
template <Sum SUM, typename A, typename B>
__device__ inline void tile_product(float* c, int distance, Operand<A> a, Operand<B> b, int m, int n, int inner) {
    int rows = (m + 1) / 2, columns = (n + 3) / 4;
    for (int part = threadIdx.x; part < rows * columns; part += blockDim.x) {
        int i = part / columns, j = part % columns;
        float sums[2][4] = {};
        for (int k = 0; k < inner; k++)
            for (int x = 0; x < 2; x++)
                for (int y = 0; y < 4; y++)
                    sums[x][y] += value_of(a.data[(i + x * rows) * a.row + k * a.column])
                        * value_of(b.data[k * b.row + (j + y * columns) * b.column]);
        for (int x = 0; x < 2; x++)
            for (int y = 0; y < 4; y++) {
                float* target = c + (i + x * rows) * distance + j + y * columns;
                *target = SUM == Sum::Add ? *target + sums[x][y] : sums[x][y];
            }
    }
}

// scores[i, j] = a_i . b_j of two tiles of rows.
__device__ inline void multiply_rows(float* scores, const bf16* a, const bf16* b, int m, int n, int width) {
    int length = tile_distance(width);
    tile_product<Sum::Overwrite, bf16, bf16>(scores, SCORES, {a, length, 1}, {b, 1, length}, m, n, width);
}

// sums[i, c] += sum over j of weights[i, j] rows[j, c].
__device__ inline void add_weighted(float* sums, const float* weights, const bf16* rows, int m, int inner, int width) {
    Operand<bf16> of_rows = {rows, tile_distance(width), 1};
    tile_product<Sum::Add, float, bf16>(sums, padded(width), {weights, SCORES, 1}, of_rows, m, width, inner);
}

// sums[j, c] += sum over i of weights[i, j] rows[i, c].
__device__ inline void add_weighted_transposed(float* sums, const float* weights, const bf16* rows, int m, int inner, int width) {
    Operand<bf16> of_rows = {rows, tile_distance(width), 1};
    tile_product<Sum::Add, float, bf16>(sums, padded(width), {weights, 1, SCORES}, of_rows, m, width, inner);
}

__device__ inline void fill(float* numbers, int length, float value) {
    for (int i = threadIdx.x; i < length; i += blockDim.x) numbers[i] = value;
}

// The mask of a query and head over the keys of its sentence.
__device__ inline RowMask mask_of_query(Dropout dropout, int query_row, int heads) {
    return mask_of_row(dropout, (unsigned long long)query_row * heads + blockIdx.y);
}

// One tile of keys in the online softmax of a tile of queries. Scores become exp(score * scale - largest), dropped; `largest` and
// `sums` are those of each row so far, to which the rows of `output` are scaled. A warp a row, a thread a key.
__device__ inline void soften(float* scores, float* output, float* largest, float* sums, Sentence sentence, int first_query,
        int count, int first_key, AttentionSizes sizes, Dropout dropout) {
    int lane = lane_index(), key = first_key + lane;
    for (int r = warp_index(); r < count; r += warps()) {
        int query = first_query + r;
        bool sees = key < sentence.visible(query, sizes.is_causal);
        float score = sees ? scores[r * SCORES + lane] * sizes.scale : negative_infinity();
        float before = largest[r], sum_before = sums[r];
        float now = fmaxf(before, warp_max(score));
        float power = sees ? expf(score - now) : 0.0f, correction = expf(before - now);
        float sum = warp_sum(power);
        scores[r * SCORES + lane] = mask_of_query(dropout, sentence.first_query + query, sizes.heads).apply(power, key);
        for (int c = lane; c < padded(sizes.head_width); c += WARP) output[r * padded(sizes.head_width) + c] *= correction;
        if (lane == 0) {
            largest[r] = now;
            sums[r] = sum_before * correction + sum;
        }
    }
}

// y = dropout(softmax(q K^T / sqrt(head_width))) V per head and sentence, for a tile of queries; q and y [query rows, heads *
// head_width], K and V [key rows, the same]. log_sums [query rows, heads] = the logarithm of the sum of exponentials. The grid is
// [tiles of queries, heads]. Shared memory: three tiles of bfloat16, scores, output, and two numbers a query.
extern "C" __global__ void attention_forward(bf16* y, float* log_sums, const bf16* queries, const bf16* keys, const bf16* values,
        const unsigned* query_offsets, const unsigned* key_offsets, const Tile* tiles, AttentionSizes sizes, Dropout dropout) {
    Tile tile = tiles[blockIdx.x];
    Sentence sentence = sentence_of(query_offsets, key_offsets, tile.sentence);
    int width = sizes.head_width, first_column = blockIdx.y * width, first = tile.first;
    int count = min(TILE, sentence.queries - first), first_row = sentence.first_query + first;
    bf16 *q = (bf16*)shared, *k = q + TILE * tile_distance(width), *v = k + TILE * tile_distance(width);
    float *scores = (float*)(v + TILE * tile_distance(width)), *output = scores + TILE * SCORES;
    float *largest = output + TILE * padded(width), *sums = largest + TILE;
    load_tile(q, queries + (place)first_row * sizes.query_distance + first_column, sizes.query_distance, count, width);
    fill(output, TILE * padded(width), 0);
    fill(largest, TILE, negative_infinity());
    fill(sums, TILE, 0);
    int end = sentence.visible(first + count - 1, sizes.is_causal);
    for (int first_key = 0; first_key < end; first_key += TILE) {
        int key_count = min(TILE, sentence.keys - first_key), key_row = sentence.first_key + first_key;
        __syncthreads();
        load_tile(k, keys + (place)key_row * sizes.key_distance + first_column, sizes.key_distance, key_count, width);
        load_tile(v, values + (place)key_row * sizes.value_distance + first_column, sizes.value_distance, key_count, width);
        __syncthreads();
        multiply_rows(scores, q, k, count, key_count, width);
        __syncthreads();
        soften(scores, output, largest, sums, sentence, first, count, first_key, sizes, dropout);
        __syncthreads();
        add_weighted(output, scores, v, count, key_count, width);
    }
    __syncthreads();
    for (int r = warp_index(); r < count; r += warps()) {
        float factor = sentence.keys == 0 ? 0.0f : 1.0f / sums[r];
        bf16* row = y + (place)(first_row + r) * sizes.output_distance + first_column;
        for (int c = lane_index(); c < width; c += WARP) row[c] = narrow(output[r * padded(width) + c] * factor);
        if (lane_index() == 0) log_sums[(place)(first_row + r) * sizes.heads + blockIdx.y] = largest[r] + logf(sums[r]);
    }
}

// deltas[r, h] = sum over the columns of head h of dy[r, c] y[r, c], which is the sum over keys of a probability times its slope.
// A warp a row.
extern "C" __global__ void attention_deltas(float* deltas, const bf16* dy, const bf16* y, int rows, AttentionSizes sizes) {
    int row = row_of_warp();
    if (row >= rows) return;
    for (int head = 0; head < sizes.heads; head++) {
        place start = (place)row * sizes.output_distance + head * sizes.head_width;
        float sum = 0;
        for (int c = lane_index(); c < sizes.head_width; c += WARP) sum += widen(dy[start + c]) * widen(y[start + c]);
        sum = warp_sum(sum);
        if (lane_index() == 0) deltas[(place)row * sizes.heads + head] = sum;
    }
}

// From the scores of a tile of queries and keys, and slopes = dy V^T: the dropped probabilities p, in place of the scores, and the
// gradient of the scores, p * (dropout(slope) - delta) * scale, in place of the slopes. A warp a row, a thread a key.
__device__ inline void differentiate(float* scores, float* slopes, const float* log_sums, const float* deltas, Sentence sentence,
        int first_query, int count, int first_key, AttentionSizes sizes, Dropout dropout) {
    int lane = lane_index(), key = first_key + lane;
    for (int r = warp_index(); r < count; r += warps()) {
        int query = first_query + r, row = sentence.first_query + query;
        place index = (place)row * sizes.heads + blockIdx.y;
        bool sees = key < sentence.visible(query, sizes.is_causal);
        float p = sees ? expf(scores[r * SCORES + lane] * sizes.scale - log_sums[index]) : 0.0f;
        RowMask mask = mask_of_query(dropout, row, sizes.heads);
        float slope = sees ? mask.apply(slopes[r * SCORES + lane], key) - deltas[index] : 0.0f;
        scores[r * SCORES + lane] = mask.apply(p, key);
        slopes[r * SCORES + lane] = p * slope * sizes.scale;
    }
}

// dq = (gradient of the scores) K for a tile of queries. The grid is [tiles of queries, heads]. Shared memory: four tiles of
// bfloat16, scores, slopes, and dq.
extern "C" __global__ void attention_backward_queries(bf16* dqueries, const bf16* dy, const float* log_sums, const float* deltas,
        const bf16* queries, const bf16* keys, const bf16* values, const unsigned* query_offsets, const unsigned* key_offsets,
        const Tile* tiles, AttentionSizes sizes, Dropout dropout) {
    Tile tile = tiles[blockIdx.x];
    Sentence sentence = sentence_of(query_offsets, key_offsets, tile.sentence);
    int width = sizes.head_width, first_column = blockIdx.y * width, first = tile.first;
    int count = min(TILE, sentence.queries - first), first_row = sentence.first_query + first;
    int length = TILE * tile_distance(width);
    bf16 *q = (bf16*)shared, *slope = q + length, *k = slope + length, *v = k + length;
    float *scores = (float*)(v + length), *slopes = scores + TILE * SCORES, *dq = slopes + TILE * SCORES;
    load_tile(q, queries + (place)first_row * sizes.query_distance + first_column, sizes.query_distance, count, width);
    load_tile(slope, dy + (place)first_row * sizes.output_distance + first_column, sizes.output_distance, count, width);
    fill(dq, TILE * padded(width), 0);
    int end = sentence.visible(first + count - 1, sizes.is_causal);
    for (int first_key = 0; first_key < end; first_key += TILE) {
        int key_count = min(TILE, sentence.keys - first_key), key_row = sentence.first_key + first_key;
        __syncthreads();
        load_tile(k, keys + (place)key_row * sizes.key_distance + first_column, sizes.key_distance, key_count, width);
        load_tile(v, values + (place)key_row * sizes.value_distance + first_column, sizes.value_distance, key_count, width);
        __syncthreads();
        multiply_rows(scores, q, k, count, key_count, width);
        multiply_rows(slopes, slope, v, count, key_count, width);
        __syncthreads();
        differentiate(scores, slopes, log_sums, deltas, sentence, first, count, first_key, sizes, dropout);
        __syncthreads();
        add_weighted(dq, slopes, k, count, key_count, width);
    }
    __syncthreads();
    store_tile(dqueries + (place)first_row * sizes.query_distance + first_column, dq, sizes.query_distance, count, width);
}

// dk = (gradient of the scores)^T Q and dv = (dropped probabilities)^T dy for a tile of keys. The grid is [tiles of keys, heads].
// Shared memory: four tiles of bfloat16, scores, slopes, dk and dv.
extern "C" __global__ void attention_backward_keys(bf16* dkeys, bf16* dvalues, const bf16* dy, const float* log_sums,
        const float* deltas, const bf16* queries, const bf16* keys, const bf16* values, const unsigned* query_offsets,
        const unsigned* key_offsets, const Tile* tiles, AttentionSizes sizes, Dropout dropout) {
    Tile tile = tiles[blockIdx.x];
    Sentence sentence = sentence_of(query_offsets, key_offsets, tile.sentence);
    int width = sizes.head_width, first_column = blockIdx.y * width, first_key = tile.first;
    int key_count = min(TILE, sentence.keys - first_key), key_row = sentence.first_key + first_key;
    int length = TILE * tile_distance(width);
    bf16 *k = (bf16*)shared, *v = k + length, *q = v + length, *slope = q + length;
    float *scores = (float*)(slope + length), *slopes = scores + TILE * SCORES;
    float *dk = slopes + TILE * SCORES, *dv = dk + TILE * padded(width);
    load_tile(k, keys + (place)key_row * sizes.key_distance + first_column, sizes.key_distance, key_count, width);
    load_tile(v, values + (place)key_row * sizes.value_distance + first_column, sizes.value_distance, key_count, width);
    fill(dk, TILE * padded(width), 0);
    fill(dv, TILE * padded(width), 0);
    // The first query that sees a key of the tile, and what lies before it in its own tile.
    int sees_first = sizes.is_causal ? max(0, first_key - (sentence.keys - sentence.queries)) : 0;
    for (int first = sees_first / TILE * TILE; first < sentence.queries; first += TILE) {
        int count = min(TILE, sentence.queries - first), row = sentence.first_query + first;
        __syncthreads();
        load_tile(q, queries + (place)row * sizes.query_distance + first_column, sizes.query_distance, count, width);
        load_tile(slope, dy + (place)row * sizes.output_distance + first_column, sizes.output_distance, count, width);
        __syncthreads();
        multiply_rows(scores, q, k, count, key_count, width);
        multiply_rows(slopes, slope, v, count, key_count, width);
        __syncthreads();
        differentiate(scores, slopes, log_sums, deltas, sentence, first, count, first_key, sizes, dropout);
        __syncthreads();
        add_weighted_transposed(dv, scores, slope, key_count, count, width);
        add_weighted_transposed(dk, slopes, q, key_count, count, width);
    }
    __syncthreads();
    store_tile(dkeys + (place)key_row * sizes.key_distance + first_column, dk, sizes.key_distance, key_count, width);
    store_tile(dvalues + (place)key_row * sizes.value_distance + first_column, dv, sizes.value_distance, key_count, width);
}
