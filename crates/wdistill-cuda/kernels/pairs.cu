// Losses inside a model: how far its states, the relations of its tokens, or an attention head are from what they should be.
//
// Pairs are a query and a key of the same sentence. A matrix of pairs lies sentence by sentence, [queries, keys] each, from
// starts[sentence] on; with several heads, head by head, `pairs` numbers each. A warp does one row of it: a query of sentence
// blockIdx.y and head blockIdx.z.
#include "numbers.cuh"
#include "threads.cuh"

struct PairShape {
    int first_head, head_width;
    // Numbers from one row to the next.
    int query_distance, key_distance;
    int pairs;
};

struct PairRow {
    int query_row, first_key, keys;
    place start;
    bool is_there;
};

__device__ inline PairRow pair_row(const unsigned* query_offsets, const unsigned* key_offsets, const unsigned* starts, int pairs) {
    int sentence = blockIdx.y, query = row_of_warp();
    int first_query = query_offsets[sentence], queries = query_offsets[sentence + 1] - first_query;
    int first_key = key_offsets[sentence], keys = key_offsets[sentence + 1] - first_key;
    place start = (place)blockIdx.z * pairs + starts[sentence] + (place)query * keys;
    return {first_query + query, first_key, keys, start, query < queries};
}

// logs[i, j] = log softmax over j of q_i . k_j / sqrt(head_width).
extern "C" __global__ void pair_logs(float* logs, const bf16* queries, const bf16* keys, const unsigned* query_offsets,
        const unsigned* key_offsets, const unsigned* starts, PairShape shape) {
    PairRow row = pair_row(query_offsets, key_offsets, starts, shape.pairs);
    if (!row.is_there) return;
    int first_column = (shape.first_head + blockIdx.z) * shape.head_width;
    const bf16* q = queries + (place)row.query_row * shape.query_distance + first_column;
    float largest = negative_infinity();
    for (int j = lane_index(); j < row.keys; j += WARP) {
        const bf16* k = keys + (place)(row.first_key + j) * shape.key_distance + first_column;
        float score = 0;
        for (int c = 0; c < shape.head_width; c++) score += widen(q[c]) * widen(k[c]);
        score /= sqrtf(shape.head_width);
        logs[row.start + j] = score;
        largest = fmaxf(largest, score);
    }
    largest = warp_max(largest);
    float sum = 0;
    for (int j = lane_index(); j < row.keys; j += WARP) sum += expf(logs[row.start + j] - largest);
    float log_sum = largest + logf(warp_sum(sum));
    for (int j = lane_index(); j < row.keys; j += WARP) logs[row.start + j] -= log_sum;
}

// results[i] = - sum over j of a_ij logs_ij for alignments a. logs become the slopes of that at the scores:
// (sum over j of a_ij) exp(logs_ij) - a_ij.
extern "C" __global__ void guidance_slopes(double* results, float* logs, const float* alignments, const unsigned* query_offsets,
        const unsigned* key_offsets, const unsigned* starts, int pairs) {
    PairRow row = pair_row(query_offsets, key_offsets, starts, pairs);
    if (!row.is_there) return;
    double loss = 0;
    float mass = 0;
    for (int j = lane_index(); j < row.keys; j += WARP) {
        float a = alignments[row.start + j];
        mass += a;
        // Nothing of a pair that is not aligned, however improbable it is.
        if (a > 0) loss -= (double)a * logs[row.start + j];
    }
    loss = warp_sum(loss);
    mass = warp_sum(mass);
    for (int j = lane_index(); j < row.keys; j += WARP)
        logs[row.start + j] = mass * expf(logs[row.start + j]) - alignments[row.start + j];
    if (lane_index() == 0) results[row.query_row] = loss;
}

// results[head, i] = sum over j of exp(t_ij) (t_ij - s_ij) for the logarithms s of the student and t of the teacher. s becomes the
// slope of that at the student's scores: exp(s) - exp(t).
extern "C" __global__ void relation_slopes(double* results, float* student, const float* teacher, const unsigned* offsets,
        const unsigned* starts, int pairs, int rows) {
    PairRow row = pair_row(offsets, offsets, starts, pairs);
    if (!row.is_there) return;
    double divergence = 0;
    for (int j = lane_index(); j < row.keys; j += WARP) {
        float s = student[row.start + j], t = teacher[row.start + j], p = expf(t);
        divergence += (double)p * (t - s);
        student[row.start + j] = expf(s) - p;
    }
    divergence = warp_sum(divergence);
    if (lane_index() == 0) results[(place)blockIdx.z * rows + row.query_row] = divergence;
}

// Which slopes belong to a row: those of its row of pairs, of its column, or both where queries and keys are the same rows.
const int OF_QUERIES = 0, OF_KEYS = 1, OF_BOTH = 2;

// gradient_i = factor * sum over j of slope(i, j) x_j in the columns of a head, for the rows i of a sentence on its own side and j
// on the other. Gradient rows are `gradient_distance` numbers apart, those of x `distance`. A warp a row, a thread a column.
extern "C" __global__ void pair_gradients(bf16* gradient, const float* slopes, const bf16* x, const unsigned* own_offsets,
        const unsigned* other_offsets, const unsigned* starts, int first_head, int head_width, int gradient_distance, int distance,
        int pairs, int side, float factor) {
    int sentence = blockIdx.y, i = row_of_warp();
    int first = own_offsets[sentence], own = own_offsets[sentence + 1] - first;
    int first_other = other_offsets[sentence], others = other_offsets[sentence + 1] - first_other;
    if (i >= own) return;
    int first_column = (first_head + blockIdx.z) * head_width;
    const float* matrix = slopes + (place)blockIdx.z * pairs + starts[sentence];
    for (int c = lane_index(); c < head_width; c += WARP) {
        float sum = 0;
        for (int j = 0; j < others; j++) {
            float slope = 0;
            if (side != OF_KEYS) slope += matrix[(place)i * others + j];
            if (side != OF_QUERIES) slope += matrix[(place)j * own + i];
            sum += slope * widen(x[(place)(first_other + j) * distance + first_column + c]);
        }
        gradient[(place)(first + i) * gradient_distance + first_column + c] = narrow(factor * sum);
    }
}

// results[r] = |s_r - t_r|^2 / |t_r|^2 for states s and t [rows, width], and nothing where t_r is zero;
// gradient [rows, width] = scale times its slope at s. A warp a row.
extern "C" __global__ void state_distance(double* results, bf16* gradient, const bf16* student, const bf16* teacher, int rows,
        int width, float scale) {
    int row = row_of_warp();
    if (row >= rows) return;
    place start = (place)row * width;
    float length = 0, distance = 0;
    for (int c = lane_index(); c < width; c += WARP) {
        float t = widen(teacher[start + c]), difference = widen(student[start + c]) - t;
        length += t * t;
        distance += difference * difference;
    }
    length = warp_sum(length);
    distance = warp_sum(distance);
    float part = length > 0 ? 1 / length : 0.0f;
    for (int c = lane_index(); c < width; c += WARP)
        gradient[start + c] = narrow(2 * scale * part * (widen(student[start + c]) - widen(teacher[start + c])));
    if (lane_index() == 0) results[row] = (double)distance * part;
}
