// The work of a proof of GPU in CUDA C. The definition is src/proof/: this comes to the same bits.
//
// B lies transposed here, column by column, so that four factors of a sum are one word: for the instruction dp4a, and
// for the tensor cores of compute capability 8.0 and above.

typedef unsigned int word;

__device__ __forceinline__ word mix32(word x) {
  x = (x ^ (x >> 17)) * 0xed5ad4bbu;
  x = (x ^ (x >> 11)) * 0xac4c1b51u;
  x = (x ^ (x >> 15)) * 0x31848babu;
  return x ^ (x >> 14);
}

// Four elements of the matrix of a key.
__device__ __forceinline__ word elements(word key0, word key1, word key2, word index) {
  return mix32(mix32(index + key0) ^ key1) + key2;
}

__device__ __forceinline__ word item() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Fills A of round 0, of `words` groups of four elements.
extern "C" __global__ void proof_fill_a(word key0, word key1, word key2, word words, word *matrix) {
  word index = item();
  if (index < words) matrix[index] = elements(key0, key1, key2, index);
}

// Fills B, transposed: a thread makes four by four elements.
extern "C" __global__ void proof_fill_b(word key0, word key1, word key2, word size, word *matrix) {
  word groups = size / 4;
  word index = item();
  if (index >= groups * groups) return;
  word column = index % groups, row = index / groups;
  word rows[4];
  for (word y = 0; y < 4; y++) rows[y] = elements(key0, key1, key2, (4 * row + y) * groups + column);
  for (word x = 0; x < 4; x++) {
    word packed = 0;
    for (word y = 0; y < 4; y++) packed |= ((rows[y] >> (8 * x)) & 0xffu) << (8 * y);
    matrix[(size_t)(4 * column + x) * groups + row] = packed;
  }
}

// A of the next round: bits 8 to 15 of each element of the product, mixed with fresh numbers.
extern "C" __global__ void proof_next(word key0, word key1, word key2, word words, const int4 *product, word *matrix) {
  word index = item();
  if (index >= words) return;
  int4 four = product[index];
  word packed = ((four.x >> 8) & 0xff) | (((four.y >> 8) & 0xff) << 8) | (((four.z >> 8) & 0xff) << 16) |
                (((word)(four.w >> 8) & 0xff) << 24);
  matrix[index] = packed ^ elements(key0, key1, key2, index);
}

#if __CUDA_ARCH__ >= 800
// Tensor cores: 256 threads, eight warps, a tile of 128 by 128; each warp does 64 rows by 32 columns of it, 64 factors a
// step. Groups of 16 bytes in shared memory are permuted so that eight rows of a fragment lie in different banks.
#define TILE 128
#define DEPTH 64

__device__ __forceinline__ word place(word row, word group) { return row * (DEPTH / 4) + ((group ^ ((row >> 1) & 3)) * 4); }

extern "C" __global__ void __launch_bounds__(256) proof_product(word size, const uint4 *a, const uint4 *b, int *product) {
  __shared__ __align__(16) word rows[TILE * DEPTH / 4];
  __shared__ __align__(16) word columns[TILE * DEPTH / 4];
  word tiles = size / TILE;
  word top = (blockIdx.x / tiles) * TILE, left = (blockIdx.x % tiles) * TILE;
  word warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  word warp_row = (warp / 4) * 64, warp_column = (warp % 4) * 32;
  int sums[4][4][4] = {};
  for (word start = 0; start < size; start += DEPTH) {
    for (word part = threadIdx.x; part < TILE * DEPTH / 16; part += 256) {
      word y = part / (DEPTH / 16), group = part % (DEPTH / 16);
      *(uint4 *)(rows + place(y, group)) = a[((size_t)(top + y) * size + start) / 16 + group];
      *(uint4 *)(columns + place(y, group)) = b[((size_t)(left + y) * size + start) / 16 + group];
    }
    __syncthreads();
    for (word k = 0; k < DEPTH / 16; k += 2) {
      word factors[4][4], others[4][2];
      for (word m = 0; m < 4; m++) {
        word row = warp_row + 16 * m + lane / 4;
        factors[m][0] = rows[place(row, k) + lane % 4];
        factors[m][1] = rows[place(row + 8, k) + lane % 4];
        factors[m][2] = rows[place(row, k + 1) + lane % 4];
        factors[m][3] = rows[place(row + 8, k + 1) + lane % 4];
      }
      for (word n = 0; n < 4; n++) {
        word column = warp_column + 8 * n + lane / 4;
        others[n][0] = columns[place(column, k) + lane % 4];
        others[n][1] = columns[place(column, k + 1) + lane % 4];
      }
      for (word m = 0; m < 4; m++) {
        for (word n = 0; n < 4; n++) {
          int *sum = sums[m][n];
          asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
              : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
              : "r"(factors[m][0]), "r"(factors[m][1]), "r"(factors[m][2]), "r"(factors[m][3]), "r"(others[n][0]),
                "r"(others[n][1]));
        }
      }
    }
    __syncthreads();
  }
  for (word m = 0; m < 4; m++) {
    for (word n = 0; n < 4; n++) {
      word row = top + warp_row + 16 * m + lane / 4, column = left + warp_column + 8 * n + (lane % 4) * 2;
      *(int2 *)(product + (size_t)row * size + column) = make_int2(sums[m][n][0], sums[m][n][1]);
      *(int2 *)(product + (size_t)(row + 8) * size + column) = make_int2(sums[m][n][2], sums[m][n][3]);
    }
  }
}
#else
// dp4a: 256 threads, a tile of 128 by 128, 32 factors a step; each thread does eight rows by eight columns, 16 apart.
#define TILE 128
#define DEPTH 32
// A word more a row keeps threads of a warp in different banks.
#define PITCH (DEPTH / 4 + 1)

extern "C" __global__ void __launch_bounds__(256) proof_product(word size, const word *a, const word *b, int *product) {
  __shared__ word rows[TILE * PITCH];
  __shared__ word columns[TILE * PITCH];
  word tiles = size / TILE;
  word top = (blockIdx.x / tiles) * TILE, left = (blockIdx.x % tiles) * TILE;
  word y = threadIdx.x / 16, x = threadIdx.x % 16;
  int sums[8][8] = {};
  for (word start = 0; start < size; start += DEPTH) {
    for (word part = threadIdx.x; part < TILE * DEPTH / 4; part += 256) {
      word row = part / (DEPTH / 4), group = part % (DEPTH / 4);
      rows[row * PITCH + group] = a[((size_t)(top + row) * size + start) / 4 + group];
      columns[row * PITCH + group] = b[((size_t)(left + row) * size + start) / 4 + group];
    }
    __syncthreads();
#pragma unroll 2
    for (word k = 0; k < DEPTH / 4; k++) {
      word factors[8], others[8];
      for (word m = 0; m < 8; m++) factors[m] = rows[(y + 16 * m) * PITCH + k];
      for (word n = 0; n < 8; n++) others[n] = columns[(x + 16 * n) * PITCH + k];
      for (word m = 0; m < 8; m++) {
        for (word n = 0; n < 8; n++) sums[m][n] = __dp4a((int)factors[m], (int)others[n], sums[m][n]);
      }
    }
    __syncthreads();
  }
  for (word m = 0; m < 8; m++) {
    for (word n = 0; n < 8; n++) product[(size_t)(top + y + 16 * m) * size + left + x + 16 * n] = sums[m][n];
  }
}
#endif

__constant__ word sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define SHA256_START \
  {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}

__device__ __forceinline__ word rotate(word x, word by) { return __funnelshift_r(x, x, by); }

__device__ __forceinline__ word big_endian(word x) { return __byte_perm(x, 0, 0x0123); }

__device__ __forceinline__ void sha256_block(word *state, word *w) {
  word a = state[0], b = state[1], c = state[2], d = state[3];
  word e = state[4], f = state[5], g = state[6], h = state[7];
#pragma unroll
  for (word i = 0; i < 64; i++) {
    if (i >= 16) {
      word before = w[(i + 1) & 15], recent = w[(i + 14) & 15];
      w[i & 15] += (rotate(before, 7) ^ rotate(before, 18) ^ (before >> 3)) + w[(i + 9) & 15] +
                   (rotate(recent, 17) ^ rotate(recent, 19) ^ (recent >> 10));
    }
    word first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i & 15];
    word second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g; g = f; f = e; e = d + first;
    d = c; c = b; b = a; a = first + second;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

// SHA-256 of each row of a product; a thread a row. Rows are whole blocks, so padding is a block of its own.
extern "C" __global__ void proof_hash(word size, word rows, const uint4 *product, word first_leaf, word *leaves) {
  word row = item();
  if (row >= rows) return;
  word state[8] = SHA256_START;
  const uint4 *words = product + (size_t)row * (size / 4);
#pragma unroll 1
  for (word block = 0; block <= size / 16; block++) {
    // The last one says how many bits there are: below 2^32 for every size that is allowed.
    word w[16] = {0x80000000u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, size * 32};
    if (block < size / 16) {
#pragma unroll
      for (word i = 0; i < 4; i++) {
        uint4 four = words[block * 4 + i];
        w[4 * i] = big_endian(four.x);
        w[4 * i + 1] = big_endian(four.y);
        w[4 * i + 2] = big_endian(four.z);
        w[4 * i + 3] = big_endian(four.w);
      }
    }
    sha256_block(state, w);
  }
  for (word i = 0; i < 8; i++) leaves[((size_t)first_leaf + row) * 8 + i] = big_endian(state[i]);
}

// The nodes above `count` hashes that begin at hash `from`, a thread a node: each is the hash of 16, with zeros where
// there are fewer.
extern "C" __global__ void proof_join(word from, word count, word to, word *hashes) {
  word index = item();
  if (index * 16 >= count) return;
  word state[8] = SHA256_START;
#pragma unroll 1
  for (word block = 0; block <= 8; block++) {
    word w[16] = {0x80000000u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16 * 256};
    if (block < 8) {
#pragma unroll
      for (word i = 0; i < 16; i++) {
        word below = index * 16 + block * 2 + i / 8;
        w[i] = below < count ? big_endian(hashes[((size_t)from + below) * 8 + i % 8]) : 0;
      }
    }
    sha256_block(state, w);
  }
  for (word i = 0; i < 8; i++) hashes[((size_t)to + index) * 8 + i] = big_endian(state[i]);
}
