// Runs CUDA C kernels on the CPU, for tests. Every thread of a block is a fibre that runs until it waits: at a barrier of its
// block, or for the other threads of its warp. Blocks run one after another. An order other than 0 mixes blocks and threads, and
// lets warps run ahead of each other, so that what depends on their order shows. A barrier that not all threads reach, and shared
// memory written beyond what the launch asked for, are errors. Shared memory starts as NaN in every block.
#pragma once
#include <ucontext.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __align__(bytes)
#define __restrict__
#define __launch_bounds__(...)

struct Three { unsigned x = 1, y = 1, z = 1; };
static Three threadIdx, blockIdx, blockDim, gridDim;

using std::max;
using std::min;

static inline float __uint_as_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
static inline unsigned __float_as_uint(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }

// As much shared memory as a block may have on Hopper: 227 KiB.
const unsigned MOST_SHARED = 227 << 10, GUARD = 1 << 10;
alignas(16) float shared[(MOST_SHARED + GUARD) / sizeof(float)];

namespace fibres {

const unsigned WARP_THREADS = 32;
const size_t STACK = 128 << 10;

enum class State { Ready, AtWarp, AtBlock, Done };

struct Fibre {
    ucontext_t context;
    std::vector<char> stack;
    Three index;
    State state;
    unsigned exchanges;  // shuffles so far
};

// What the threads of a warp show each other: two places each, since a thread may be one shuffle ahead.
struct Exchange { unsigned long long places[2][WARP_THREADS]; };

static std::vector<Fibre> all;
static std::vector<Exchange> exchanges;
static ucontext_t scheduler;
static unsigned current;
static std::function<void()> body;
static char message[256];

static void run() {
    body();
    all[current].state = State::Done;
    swapcontext(&all[current].context, &scheduler);
}

static void wait(State state) {
    all[current].state = state;
    swapcontext(&all[current].context, &scheduler);
}

template <typename T> static T shuffle(T value, unsigned from) {
    static_assert(sizeof(T) <= 8, "a shuffle moves eight bytes at most");
    unsigned warp = current / WARP_THREADS, turn = all[current].exchanges++ % 2;
    auto& places = exchanges[warp].places[turn];
    std::memcpy(&places[current % WARP_THREADS], &value, sizeof(T));
    wait(State::AtWarp);
    std::memcpy(&value, &places[from % WARP_THREADS], sizeof(T));
    return value;
}

// The numbers from 0 to count - 1, mixed unless `order` is 0.
static std::vector<unsigned> sequence(unsigned count, unsigned long long& order) {
    std::vector<unsigned> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    if (order == 0) return numbers;
    for (unsigned i = count; i > 1; i--) {
        order ^= order << 13; order ^= order >> 7; order ^= order << 17;
        std::swap(numbers[i - 1], numbers[order % i]);
    }
    return numbers;
}

static unsigned waiting(State state, unsigned first, unsigned end) {
    unsigned count = 0;
    for (unsigned t = first; t < end; t++) count += all[t].state == state;
    return count;
}

// Lets everybody of a range go on who waits there, if all of them do.
static bool release(State state, unsigned first, unsigned end) {
    if (waiting(state, first, end) < end - first) return false;
    for (unsigned t = first; t < end; t++) all[t].state = State::Ready;
    return true;
}

// Runs all threads of a warp that can run until they wait, in the order of `lanes`.
static void run_warp(unsigned first, const std::vector<unsigned>& lanes) {
    for (unsigned lane : lanes) {
        unsigned t = first + lane;
        if (all[t].state != State::Ready) continue;
        current = t;
        threadIdx = all[t].index;
        swapcontext(&scheduler, &all[t].context);
    }
}

static bool release_warp(unsigned first) { return release(State::AtWarp, first, first + WARP_THREADS); }

// Runs all threads until none of them can go on. In their natural order all warps make one step after the other; in a mixed one
// each warp runs ahead as far as it can, so that it overtakes whoever reads what it writes next.
static void run_threads(unsigned threads, unsigned long long& order) {
    bool runs_ahead = order != 0, any;
    do {
        any = false;
        for (unsigned warp : sequence(threads / WARP_THREADS, order)) {
            unsigned first = warp * WARP_THREADS;
            std::vector<unsigned> lanes = sequence(WARP_THREADS, order);
            do run_warp(first, lanes);
            while (runs_ahead && release_warp(first));
        }
        for (unsigned first = 0; first < threads; first += WARP_THREADS) any |= release_warp(first);
        any = any || release(State::AtBlock, 0, threads);
    } while (any);
}

static void start(unsigned thread) {
    Fibre& fibre = all[thread];
    fibre.state = State::Ready;
    fibre.exchanges = 0;
    fibre.index = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = fibre.stack.size();
    fibre.context.uc_link = &scheduler;
    makecontext(&fibre.context, run, 0);
}

// Runs one block to its end; what goes wrong, or nothing.
static const char* run_block(unsigned threads, unsigned shared_bytes, unsigned long long& order) {
    char* memory = reinterpret_cast<char*>(shared);
    std::memset(memory, 0xff, shared_bytes + GUARD);
    for (unsigned t = 0; t < threads; t++) start(t);
    run_threads(threads, order);
    unsigned done = waiting(State::Done, 0, threads), block = waiting(State::AtBlock, 0, threads);
    if (done < threads) {
        std::snprintf(message, sizeof message,
            "block (%u, %u, %u): of %u threads %u wait for their block, %u for their warp, and %u have ended",
            blockIdx.x, blockIdx.y, blockIdx.z, threads, block, threads - done - block, done);
        return message;
    }
    for (unsigned byte = shared_bytes; byte < shared_bytes + GUARD; byte++) {
        if (memory[byte] == (char)0xff) continue;
        std::snprintf(message, sizeof message, "block (%u, %u, %u) writes byte %u of its %u bytes of shared memory",
            blockIdx.x, blockIdx.y, blockIdx.z, byte, shared_bytes);
        return message;
    }
    return nullptr;
}

static const char* launch(const unsigned* grid, const unsigned* block, unsigned shared_bytes,
        std::function<void()> kernel, unsigned long long order) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    unsigned threads = block[0] * block[1] * block[2];
    if (threads == 0 || threads % WARP_THREADS || threads > 1024) return "a block has 32, 64, ... or 1024 threads";
    if (shared_bytes > MOST_SHARED) return "a block has at most 227 KiB of shared memory";
    while (all.size() < threads) {
        all.emplace_back();
        all.back().stack.resize(STACK);
    }
    exchanges.resize(1024 / WARP_THREADS);
    body = kernel;
    for (unsigned number : sequence(grid[0] * grid[1] * grid[2], order)) {
        blockIdx = {number % grid[0], number / grid[0] % grid[1], number / (grid[0] * grid[1])};
        if (const char* problem = run_block(threads, shared_bytes, order)) return problem;
    }
    return nullptr;
}

template <typename... A, size_t... I>
static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}

template <typename... A> static void call(void (*kernel)(A...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<A...>());
}

// How many arguments a kernel takes, and how many bytes each has.
template <typename... A> static unsigned sizes(void (*)(A...), unsigned* bytes) {
    unsigned each[] = {sizeof(A)...};
    std::copy(std::begin(each), std::end(each), bytes);
    return sizeof...(A);
}

}  // namespace fibres

#define __syncthreads() fibres::wait(fibres::State::AtBlock)
#define __syncwarp() fibres::wait(fibres::State::AtWarp)
#define __shfl_sync(lanes, value, from) fibres::shuffle(value, from)
#define __shfl_xor_sync(lanes, value, distance) fibres::shuffle(value, fibres::current ^ (distance))
#define __shfl_down_sync(lanes, value, distance) fibres::shuffle_down(value, distance)

namespace fibres {
// The last threads of a warp keep their own value.
template <typename T> static T shuffle_down(T value, unsigned distance) {
    unsigned lane = current % WARP_THREADS;
    return shuffle(value, lane + distance < WARP_THREADS ? lane + distance : lane);
}
}  // namespace fibres

// The doors of a kernel: `fibres_NAME` launches it as cuLaunchKernel does, and `fibres_NAME_sizes` says what it takes.
#define FIBRES(kernel)                                                                                             \
    extern "C" const char* fibres_##kernel(const unsigned* grid, const unsigned* block, unsigned shared_bytes,     \
            void** arguments, unsigned long long order) {                                                          \
        return fibres::launch(grid, block, shared_bytes, [=] { fibres::call(kernel, arguments); }, order);         \
    }                                                                                                              \
    extern "C" unsigned fibres_##kernel##_sizes(unsigned* bytes) { return fibres::sizes(kernel, bytes); }
