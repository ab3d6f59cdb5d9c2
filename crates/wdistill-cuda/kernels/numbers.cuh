// Numbers as the kernels store and compute them. Only what NVRTC knows without a header of the toolkit.
#pragma once

// Activations and weights of products: the upper half of a float32.
typedef unsigned short bf16;

// Places in arrays that may be longer than 2^31.
typedef long long place;

// The same value in float32.
__device__ inline float widen(bf16 x) { return __uint_as_float((unsigned)x << 16); }

// The nearest value, of two the one with an even last bit; NaN stays NaN.
__device__ inline bf16 narrow(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)((bits >> 16) | 0x40u);
    return (bf16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ inline float negative_infinity() { return __uint_as_float(0xff800000u); }

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
