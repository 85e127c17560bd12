// Kernels of the benchmarks in OpenCL C. Factors come as arguments, so that no compiler can do the work beforehand;
// what they come to is known, so that every result is checked.

// x = x · ½ + 1 comes to 2 whatever it begins with. Eight chains of four lanes: work enough to hide latencies.
#define CHAINS 8
#define STEP(x) x = mad(x, factor, summand)
#define ROUND STEP(c0); STEP(c1); STEP(c2); STEP(c3); STEP(c4); STEP(c5); STEP(c6); STEP(c7)

// Operations of a work item: iterations × 8 chains × 4 lanes × 2.
kernel void bench_fp32(uint iterations, uint half_bits, uint one_bits, global float *results) {
  float4 factor = (float4)(as_float(half_bits)), summand = (float4)(as_float(one_bits));
  float begin = (float)get_local_id(0);
  float4 c0 = (float4)(begin), c1 = c0 + 1, c2 = c0 + 2, c3 = c0 + 3, c4 = c0 + 4, c5 = c0 + 5, c6 = c0 + 6, c7 = c0 + 7;
  for (uint i = 0; i < iterations; i++) { ROUND; }
  float4 sum = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7;
  results[get_global_id(0)] = sum.x + sum.y + sum.z + sum.w;
}

#ifdef cl_khr_fp16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
kernel void bench_fp16(uint iterations, uint half_bits, uint one_bits, global float *results) {
  half4 factor = convert_half4((float4)(as_float(half_bits))), summand = convert_half4((float4)(as_float(one_bits)));
  half begin = (half)(float)(get_local_id(0) % 8);
  half4 c0 = (half4)(begin), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  for (uint i = 0; i < iterations; i++) { ROUND; }
  float4 sum = convert_float4(c0 + c1 + c2 + c3) + convert_float4(c4 + c5 + c6 + c7);
  results[get_global_id(0)] = sum.x + sum.y + sum.z + sum.w;
}
#endif

// Products of four pairs of signed bytes, added up in 32 bits: the same count of operations as above.
kernel void bench_int8(uint iterations, uint left, uint right, global int *results) {
  char4 a = as_char4(left), b = as_char4(right);
  int4 sum = (int4)(0);
  for (uint i = 0; i < iterations; i++) {
    // A chain of its own for every lane, and factors that differ in every step.
    for (uint chain = 0; chain < CHAINS; chain++) {
      sum += convert_int4(a) * convert_int4(b);
      a ^= (char4)(i & 1);
    }
  }
  results[get_global_id(0)] = sum.x + sum.y + sum.z + sum.w;
}

// Copies 16 bytes a work item and step; reads and writes count both.
kernel void bench_copy(uint vectors, uint stride, global const uint4 *from, global uint4 *to) {
  for (uint index = get_global_id(0); index < vectors; index += stride) to[index] = from[index];
}

// One work item follows a chain of pointers: each read waits for the one before.
kernel void bench_chase(uint steps, global const uint *next, global uint *result) {
  uint place = 0;
  for (uint step = 0; step < steps; step++) place = next[place];
  result[0] = place;
}

// A pattern that differs at every place and in every pass.
uint pattern(uint pass, uint index) {
  return (index * 0x9e3779b1u) ^ (pass * 0x85ebca77u) ^ (index >> 15);
}

kernel void bench_fill(uint words, uint stride, uint pass, global uint *memory) {
  for (uint index = get_global_id(0); index < words; index += stride) memory[index] = pattern(pass, index);
}

kernel void bench_check(uint words, uint stride, uint pass, global const uint *memory, global uint *errors) {
  for (uint index = get_global_id(0); index < words; index += stride) {
    if (memory[index] != pattern(pass, index)) atomic_inc(errors);
  }
}
