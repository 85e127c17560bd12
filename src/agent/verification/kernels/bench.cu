// Kernels of the benchmarks in CUDA C, as bench.cl has them, and those of the tensor cores. Factors come as arguments,
// so that no compiler can do the work beforehand; what they come to is known, so that every result is checked.
#include <cuda_fp16.h>

typedef unsigned int word;

#define CHAINS 8

__device__ __forceinline__ word item() { return blockIdx.x * blockDim.x + threadIdx.x; }

// x = x · ½ + 1 comes to 2 whatever it begins with. Operations of a thread: iterations × 8 chains × 4 lanes × 2.
extern "C" __global__ void bench_fp32(word iterations, word half_bits, word one_bits, float *results) {
  float factor = __uint_as_float(half_bits), summand = __uint_as_float(one_bits);
  float lanes[CHAINS * 4];
#pragma unroll
  for (int lane = 0; lane < CHAINS * 4; lane++) lanes[lane] = threadIdx.x + lane;
#pragma unroll 2
  for (word i = 0; i < iterations; i++) {
#pragma unroll
    for (int lane = 0; lane < CHAINS * 4; lane++) lanes[lane] = fmaf(lanes[lane], factor, summand);
  }
  float sum = 0;
#pragma unroll
  for (int lane = 0; lane < CHAINS * 4; lane++) sum += lanes[lane];
  results[item()] = sum;
}

extern "C" __global__ void bench_fp16(word iterations, word half_bits, word one_bits, float *results) {
  __half2 factor = __float2half2_rn(__uint_as_float(half_bits)), summand = __float2half2_rn(__uint_as_float(one_bits));
  __half2 lanes[CHAINS * 2];
#pragma unroll
  for (int lane = 0; lane < CHAINS * 2; lane++) lanes[lane] = __float2half2_rn((float)((threadIdx.x + lane) % 8));
#pragma unroll 4
  for (word i = 0; i < iterations; i++) {
#pragma unroll
    for (int lane = 0; lane < CHAINS * 2; lane++) lanes[lane] = __hfma2(lanes[lane], factor, summand);
  }
  float sum = 0;
#pragma unroll
  for (int lane = 0; lane < CHAINS * 2; lane++) sum += __low2float(lanes[lane]) + __high2float(lanes[lane]);
  results[item()] = sum;
}

// Products of four pairs of signed bytes, added up in 32 bits: the same count of operations as above.
extern "C" __global__ void bench_int8(word iterations, word left, word right, int *results) {
  int a = left, b = right;
  int sums[CHAINS] = {};
#pragma unroll 2
  for (word i = 0; i < iterations; i++) {
    int flip = (i & 1) * 0x01010101;
#pragma unroll
    for (int chain = 0; chain < CHAINS; chain++) {
      sums[chain] = __dp4a(a, b, sums[chain]);
      a ^= flip;
    }
  }
  int sum = 0;
#pragma unroll
  for (int chain = 0; chain < CHAINS; chain++) sum += sums[chain];
  results[item()] = sum;
}

#if __CUDA_ARCH__ >= 800
// Products of 16 by 16 and 16 by 8 matrices of half precision, added up in single precision: each step adds 1 to every
// element. Operations of a thread: iterations × 8 chains × 128.
extern "C" __global__ void bench_tensor_fp16(word iterations, word left_bits, word right_bits, float *results) {
  __half2 left = __float2half2_rn(__uint_as_float(left_bits)), right = __float2half2_rn(__uint_as_float(right_bits));
  word a = *(word *)&left, b = *(word *)&right;
  float sums[CHAINS][4] = {};
#pragma unroll 2
  for (word i = 0; i < iterations; i++) {
#pragma unroll
    for (int chain = 0; chain < CHAINS; chain++) {
      float *sum = sums[chain];
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4,%4,%4}, {%5,%5}, {%0,%1,%2,%3};"
                   : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                   : "r"(a), "r"(b));
    }
  }
  float sum = 0;
#pragma unroll
  for (int chain = 0; chain < CHAINS; chain++) sum += sums[chain][0] + sums[chain][1] + sums[chain][2] + sums[chain][3];
  results[item()] = sum / (CHAINS * 4);
}
#endif

// Copies 16 bytes a thread and step; reads and writes count both.
extern "C" __global__ void bench_copy(word vectors, word stride, const uint4 *from, uint4 *to) {
  for (word index = item(); index < vectors; index += stride) to[index] = from[index];
}

// One thread follows a chain of pointers: each read waits for the one before.
extern "C" __global__ void bench_chase(word steps, const word *next, word *result) {
  word place = 0;
  for (word step = 0; step < steps; step++) place = next[place];
  result[0] = place;
}

// A pattern that differs at every place and in every pass.
__device__ __forceinline__ word pattern(word pass, word index) {
  return (index * 0x9e3779b1u) ^ (pass * 0x85ebca77u) ^ (index >> 15);
}

extern "C" __global__ void bench_fill(word words, word stride, word pass, word *memory) {
  for (word index = item(); index < words; index += stride) memory[index] = pattern(pass, index);
}

extern "C" __global__ void bench_check(word words, word stride, word pass, const word *memory, word *errors) {
  for (word index = item(); index < words; index += stride) {
    if (memory[index] != pattern(pass, index)) atomicAdd(errors, 1u);
  }
}
