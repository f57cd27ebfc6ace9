// GDN and its inverse (Balle, Laparra & Simoncelli 2016), there and back; the plain twins are npuq.nn.gdn.
//   n = beta + x^2 gamma',   y = x / sqrt(n), or x sqrt(n) for the inverse
// x (P, C): pixels, channels. A block has 64 pixels of 64 channels; squares and what becomes of n never lie in memory.
#include "product.cuh"

extern "C" __global__ void __launch_bounds__(PRODUCT_THREADS) normalize(
    const float* __restrict__ x, const float* __restrict__ beta, const float* __restrict__ gamma, float* __restrict__ y,
    int P, int C, int inverse, int precise) {
  __shared__ Tiles tiles;
  const int pixel = blockIdx.x * TILE, channel = blockIdx.y * TILE;
  Sums pool;
  auto squares = [&](int row, int j) {
    const float value = pixel + row < P ? x[(pixel + row) * C + j] : 0.f;
    return value * value;
  };
  auto transposed = [&](int j, int i) { return channel + i < C ? gamma[(channel + i) * C + j] : 0.f; };
  multiply<false>(squares, transposed, 0, C, precise, tiles, pool);
  for_each_sum(pool, [&](int row, int i, float sum) {
    if (pixel + row >= P || channel + i >= C) return;
    const int at = (pixel + row) * C + channel + i;
    const float root = sqrtf(sum + beta[channel + i]);
    y[at] = inverse ? x[at] * root : x[at] / root;
  });
}

// d_n, the gradient with respect to n, and of d_x what reaches x where n is held
extern "C" __global__ void __launch_bounds__(PRODUCT_THREADS) normalize_backward(
    const float* __restrict__ d_y, const float* __restrict__ x, const float* __restrict__ beta, const float* __restrict__ gamma,
    float* __restrict__ d_n, float* __restrict__ d_x, int P, int C, int inverse, int precise) {
  __shared__ Tiles tiles;
  const int pixel = blockIdx.x * TILE, channel = blockIdx.y * TILE;
  Sums pool;
  auto squares = [&](int row, int j) {
    const float value = pixel + row < P ? x[(pixel + row) * C + j] : 0.f;
    return value * value;
  };
  auto transposed = [&](int j, int i) { return channel + i < C ? gamma[(channel + i) * C + j] : 0.f; };
  multiply<false>(squares, transposed, 0, C, precise, tiles, pool);
  for_each_sum(pool, [&](int row, int i, float sum) {
    if (pixel + row >= P || channel + i >= C) return;
    const int at = (pixel + row) * C + channel + i;
    const float n = sum + beta[channel + i], root = sqrtf(n);
    const float held = inverse ? d_y[at] * root : d_y[at] / root;
    d_x[at] = held;
    d_n[at] = inverse ? 0.5f * d_y[at] * x[at] / root : -0.5f * held * x[at] / n;
  });
}

// d_x += 2 x (d_n gamma), as n depends on x as well
extern "C" __global__ void __launch_bounds__(PRODUCT_THREADS) add_through_pool(
    const float* __restrict__ d_n, const float* __restrict__ x, const float* __restrict__ gamma, float* __restrict__ d_x,
    int P, int C, int precise) {
  __shared__ Tiles tiles;
  const int pixel = blockIdx.x * TILE, channel = blockIdx.y * TILE;
  Sums through;
  auto from = [&](int row, int i) { return pixel + row < P ? d_n[(pixel + row) * C + i] : 0.f; };
  auto by = [&](int i, int j) { return channel + j < C ? gamma[i * C + channel + j] : 0.f; };
  multiply<false>(from, by, 0, C, precise, tiles, through);
  for_each_sum(through, [&](int row, int j, float sum) {
    if (pixel + row >= P || channel + j >= C) return;
    const int at = (pixel + row) * C + channel + j;
    d_x[at] += 2.f * x[at] * sum;
  });
}

// Sums over `share` pixels: d_n' x^2, with d_n' 1 beside it as one column more; parts (shares, C, C + 1)
extern "C" __global__ void __launch_bounds__(PRODUCT_THREADS) weight_gradients(
    const float* __restrict__ d_n, const float* __restrict__ x, float* __restrict__ parts, int P, int C, int share, int precise) {
  __shared__ Tiles tiles;
  const int row = blockIdx.x * TILE, column = blockIdx.y * TILE, first = blockIdx.z * share;
  Sums sums;
  auto from = [&](int i, int p) { return row + i < C ? d_n[p * C + row + i] : 0.f; };
  auto by = [&](int p, int j) {
    if (column + j >= C) return column + j == C ? 1.f : 0.f;
    const float value = x[p * C + column + j];
    return value * value;
  };
  multiply<true>(from, by, first, min(first + share, P), precise, tiles, sums);
  for_each_sum(sums, [&](int i, int j, float sum) {
    if (row + i < C && column + j <= C) parts[((long long)blockIdx.z * C + row + i) * (C + 1) + column + j] = sum;
  });
}

extern "C" __global__ void add_parts(
    const float* __restrict__ parts, float* __restrict__ d_beta, float* __restrict__ d_gamma, int shares, int C) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x, i = at / (C + 1), j = at % (C + 1);
  if (i >= C) return;
  float total = 0.f;
  for (int share = 0; share < shares; share++) total += parts[(long long)share * C * (C + 1) + at];
  if (j < C) d_gamma[i * C + j] = total;
  else d_beta[i] = total;
}
