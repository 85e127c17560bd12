// The work of a proof of GPU in OpenCL C. The definition is src/proof/: this comes to the same bits.

uint mix32(uint x) {
  x = (x ^ (x >> 17)) * 0xed5ad4bbu;
  x = (x ^ (x >> 11)) * 0xac4c1b51u;
  x = (x ^ (x >> 15)) * 0x31848babu;
  return x ^ (x >> 14);
}

// Four elements of the matrix of a key.
uint elements(uint key0, uint key1, uint key2, uint index) {
  return mix32(mix32(index + key0) ^ key1) + key2;
}

// Fills A of round 0, of `words` groups of four elements.
kernel void proof_fill_a(uint key0, uint key1, uint key2, uint words, global uint *matrix) {
  uint index = get_global_id(0);
  if (index < words) matrix[index] = elements(key0, key1, key2, index);
}

// Fills B: a work item makes four by four elements.
kernel void proof_fill_b(uint key0, uint key1, uint key2, uint size, global uint *matrix) {
  uint groups = size / 4;
  uint index = get_global_id(0);
  if (index >= groups * groups) return;
  uint column = index % groups, row = (index / groups) * 4;
  for (uint y = 0; y < 4; y++) {
    uint place = (row + y) * groups + column;
    matrix[place] = elements(key0, key1, key2, place);
  }
}

// A of the next round: bits 8 to 15 of each element of the product, mixed with fresh numbers.
kernel void proof_next(uint key0, uint key1, uint key2, uint words, global const int4 *product, global uint *matrix) {
  uint index = get_global_id(0);
  if (index >= words) return;
  uint4 middle = as_uint4(product[index] >> 8) & 0xffu;
  uint packed = middle.x | (middle.y << 8) | (middle.z << 16) | (middle.w << 24);
  matrix[index] = packed ^ elements(key0, key1, key2, index);
}

// Each work item: four rows by four columns of the product. Groups of 64 cover tiles of 32 by 32.
#define TILE 32
kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void proof_product(uint size, global const char *a, global const char *b, global int *product) {
  local char rows[TILE * TILE];
  local char columns[TILE * TILE];
  uint item = get_local_id(0);
  uint tiles = size / TILE;
  uint top = (get_group_id(0) / tiles) * TILE;
  uint left = (get_group_id(0) % tiles) * TILE;
  uint row = (item / 8) * 4;
  uint column = (item % 8) * 4;
  int4 sums[4] = {(int4)(0), (int4)(0), (int4)(0), (int4)(0)};
  for (uint start = 0; start < size; start += TILE) {
    for (uint part = item; part < TILE * TILE / 4; part += 64) {
      uint y = part / (TILE / 4);
      uint x = (part % (TILE / 4)) * 4;
      vstore4(vload4(0, a + (size_t)(top + y) * size + start + x), 0, rows + y * TILE + x);
      vstore4(vload4(0, b + (size_t)(start + y) * size + left + x), 0, columns + y * TILE + x);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0; k < TILE; k++) {
      int4 factors = convert_int4(vload4(0, columns + k * TILE + column));
      for (uint y = 0; y < 4; y++) sums[y] += (int4)(rows[(row + y) * TILE + k]) * factors;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (uint y = 0; y < 4; y++) vstore4(sums[y], 0, product + (size_t)(top + row + y) * size + left + column);
}

constant uint sha256_constants[64] = {
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

#define ROTATE(x, by) rotate((uint)(x), (uint)(32 - (by)))

uint big_endian(uint x) {
  return ((x & 0xffu) << 24) | ((x & 0xff00u) << 8) | ((x >> 8) & 0xff00u) | (x >> 24);
}

void sha256_block(uint *state, uint *w) {
  uint a = state[0], b = state[1], c = state[2], d = state[3];
  uint e = state[4], f = state[5], g = state[6], h = state[7];
  for (uint i = 0; i < 64; i++) {
    if (i >= 16) {
      uint before = w[(i + 1) & 15], recent = w[(i + 14) & 15];
      w[i & 15] += (ROTATE(before, 7) ^ ROTATE(before, 18) ^ (before >> 3)) + w[(i + 9) & 15] +
                   (ROTATE(recent, 17) ^ ROTATE(recent, 19) ^ (recent >> 10));
    }
    uint first = h + (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + ((e & f) ^ (~e & g)) +
                 sha256_constants[i] + w[i & 15];
    uint second = (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g; g = f; f = e; e = d + first;
    d = c; c = b; b = a; a = first + second;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

// SHA-256 of each row of a product; a work item a row. Rows are whole blocks, so padding is a block of its own.
kernel void proof_hash(uint size, uint rows, global const uint *product, uint first_leaf, global uint *leaves) {
  uint row = get_global_id(0);
  if (row >= rows) return;
  uint state[8] = SHA256_START;
  uint w[16];
  global const uint *words = product + (size_t)row * size;
  for (uint block = 0; block < size / 16; block++) {
    for (uint i = 0; i < 16; i++) w[i] = big_endian(words[block * 16 + i]);
    sha256_block(state, w);
  }
  for (uint i = 0; i < 16; i++) w[i] = 0;
  w[0] = 0x80000000u;
  // Bits of the row: below 2^32 for every size that is allowed.
  w[15] = size * 32;
  sha256_block(state, w);
  for (uint i = 0; i < 8; i++) leaves[((size_t)first_leaf + row) * 8 + i] = big_endian(state[i]);
}

// The nodes above `count` hashes that begin at hash `from`, a work item a node: each is the hash of 16, with zeros where
// there are fewer.
kernel void proof_join(uint from, uint count, uint to, global uint *hashes) {
  uint index = get_global_id(0);
  if (index * 16 >= count) return;
  uint state[8] = SHA256_START;
  uint w[16];
  for (uint block = 0; block < 8; block++) {
    for (uint i = 0; i < 16; i++) {
      uint below = index * 16 + block * 2 + i / 8;
      w[i] = below < count ? big_endian(hashes[((size_t)from + below) * 8 + i % 8]) : 0;
    }
    sha256_block(state, w);
  }
  for (uint i = 0; i < 16; i++) w[i] = 0;
  w[0] = 0x80000000u;
  w[15] = 16 * 256;
  sha256_block(state, w);
  for (uint i = 0; i < 8; i++) hashes[((size_t)to + index) * 8 + i] = big_endian(state[i]);
}
