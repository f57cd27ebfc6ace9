// A tile of a matrix product on tensor cores: 64 x 64 sums of four warps, each 32 x 32, 16 products deep at a time.
//
// Both sides come from functions of an index, so that what they hold need not lie in memory: squares, say.
// Tensor cores multiply 11 bits. Where single precision is wanted, a number is the sum of two such, and three of the
// four products of such sums are taken: the fourth is 2^-22 of the result, as small as its rounding.
#pragma once
#include "ptx.cuh"
#define TILE 64
#define DEPTH 16
#define PRODUCT_THREADS 128

struct Tiles { float a[TILE][DEPTH + 4], b[DEPTH][TILE + 8]; };  // wider than needed, so that banks differ
typedef float Sums[2][4][4];

__device__ __forceinline__ void split(float x, unsigned& high, unsigned& low) {
  high = to_tf32(x);
  low = to_tf32(x - __uint_as_float(high));
}

// sums += a b over k from first to last, a(row, k) and b(k, column), of rows and columns of the tile
template <bool BY_ROWS, class A, class B>  // BY_ROWS: a's neighbours in memory are those of the next row, not of the next k
__device__ __forceinline__ void multiply(const A& a, const B& b, int first, int last, bool precise, Tiles& tiles, Sums& sums) {
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, g = lane / 4, t = lane % 4;
  const int top = warp / 2 * 32, left = warp % 2 * 32;
  constexpr int EACH = TILE * DEPTH / PRODUCT_THREADS;
  float next_a[EACH], next_b[EACH];
  auto fetch = [&](int k) {
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int at = thread + PRODUCT_THREADS * i;
      const int row = BY_ROWS ? at % TILE : at / DEPTH, deep = BY_ROWS ? at / TILE : at % DEPTH;
      next_a[i] = k + deep < last ? a(row, k + deep) : 0.f;
      next_b[i] = k + at / TILE < last ? b(k + at / TILE, at % TILE) : 0.f;
    }
  };
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int k = 0; k < 4; k++) sums[i][j][k] = 0.f;
  fetch(first);
  for (int k = first; k < last; k += DEPTH) {
    __syncthreads();  // nobody reads the tiles any more
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int at = thread + PRODUCT_THREADS * i;
      tiles.a[BY_ROWS ? at % TILE : at / DEPTH][BY_ROWS ? at / TILE : at % DEPTH] = next_a[i];
      tiles.b[at / TILE][at % TILE] = next_b[i];
    }
    __syncthreads();  // all have been written
    fetch(k + DEPTH);
#pragma unroll
    for (int deep = 0; deep < DEPTH; deep += 8) {
      unsigned a_high[2][4], a_low[2][4];
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int n = 0; n < 4; n++) split(tiles.a[top + 16 * i + g + n % 2 * 8][deep + t + n / 2 * 4], a_high[i][n], a_low[i][n]);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        unsigned b_high[2], b_low[2];
#pragma unroll
        for (int n = 0; n < 2; n++) split(tiles.b[deep + t + 4 * n][left + 8 * j + g], b_high[n], b_low[n]);
#pragma unroll
        for (int i = 0; i < 2; i++) {
          if (precise) {
            mma_tf32(sums[i][j], a_low[i], b_high);
            mma_tf32(sums[i][j], a_high[i], b_low);
          }
          mma_tf32(sums[i][j], a_high[i], b_high);
        }
      }
    }
  }
}

// write(row, column, sum) for each sum of the tile that this thread has
template <class W> __device__ __forceinline__ void for_each_sum(const Sums& sums, const W& write) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int k = 0; k < 4; k++)
        write(warp / 2 * 32 + 16 * i + lane / 4 + k / 2 * 8, warp % 2 * 32 + 8 * j + lane % 4 * 2 + k % 2, sums[i][j][k]);
}
