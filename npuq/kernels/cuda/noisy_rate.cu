// The channel of Eq. (21) for a non-parametric density: values and all derivatives in one pass, and on the way back the
// products with these. The plain twins are in npuq.models.noisy_rate, the formulas are those of npuq.kernels.cpu.noisy_rate.
//
// A block takes some coefficients of one channel; each thread keeps the 43 or 58 sums of the weights' gradients in registers;
// a block adds them by shuffles, and `add_parts` adds those of the blocks, always in the same order.
#include "cdf_network.cuh"
#define THREADS 128
#define SUMS (WEIGHTS + 1)  // the gradients of the weights, and the bits
#define EXPECTED_RATE 1
#define EXPECTED_DISTORTION 2
#define SMALLEST_GAP 1.4210854715202004e-14f  // float32's epsilon, squared
#define BITS_PER_NAT 1.4426950408889634f

struct Softness { float alpha, half, q, scale, per_log; };  // as npuq.kernels.cuda.softness has it

__device__ __forceinline__ Softness softness_of(const double* numbers) {
  return {(float)numbers[0], (float)numbers[1], (float)numbers[2], (float)numbers[3], (float)numbers[4]};
}

// s_alpha (Eq. 10) and its derivative
__device__ __forceinline__ float soft_round(float y, const Softness& soft, float& slope) {
  slope = 1.f;
  if (soft.alpha == 0.f) return y;
  const float below = floorf(y), e = fast_tanh(soft.alpha * (y - below - 0.5f));
  slope = soft.alpha * soft.half * (1.f - e) * (1.f + e);
  return below + 0.5f + soft.half * e;
}

// r_alpha (Eq. 14) and its derivative
__device__ __forceinline__ float conditional_mean(float z, const Softness& soft, float& slope) {
  slope = 1.f;
  if (soft.alpha == 0.f) return z;
  const float n = floorf(z + 0.5f), w = 2.f * (z - n);
  const float above = (1.f + w) + (1.f - w) * soft.q, below = (1.f + w) * soft.q + (1.f - w);
  slope = soft.scale / above + soft.scale / below;
  return n + logf(above / below) * soft.per_log;
}

// Nats of an interval about m, and their derivative with respect to m; gradients of the weights are added to `sums`.
template <int HIDDEN> __device__ __forceinline__ float rate(float m, const float* w, float& d_m, float (&sums)[WEIGHTS]) {
  Kept<HIDDEN> low, high;
  const float a = network(m - 0.5f, w, low), b = network(m + 0.5f, w, high), gap = fmaxf(b - a, SMALLEST_GAP);
  const float tg = fast_tanh(0.5f * gap), ta = fast_tanh(0.5f * a), tb = fast_tanh(0.5f * b);
  const float both = b - a > SMALLEST_GAP ? 1.f / tg - 1.f : 0.f;  // 2 / (e^gap - 1)
  d_m = network_backward(0.5f * (1.f + ta + both), m - 0.5f, low, w, sums);
  d_m += network_backward(-0.5f * (1.f - tb + both), m + 0.5f, high, w, sums);
  return fmaxf(a, 0.f) + fmaxf(-b, 0.f) - logf(tg / (1.f + tg) * (1.f + fabsf(ta)) * (1.f + fabsf(tb)) * 0.5f);
}

// Nats over [y, y + 1] less those over [y - 1, y] (Eq. 17)
template <int HIDDEN> __device__ __forceinline__ float expected_rate(float y, const float* w) {
  Kept<HIDDEN> none;
  const float l0 = network(y - 1.f, w, none), l1 = network(y, w, none), l2 = network(y + 1.f, w, none);
  const float t01 = fast_tanh(0.5f * fmaxf(l1 - l0, SMALLEST_GAP)), t12 = fast_tanh(0.5f * fmaxf(l2 - l1, SMALLEST_GAP));
  const float t0 = fast_tanh(0.5f * fabsf(l0)), t2 = fast_tanh(0.5f * fabsf(l2));
  return l1 + fmaxf(-l2, 0.f) - fmaxf(l0, 0.f) + logf(t01 * (1.f + t12) * (1.f + t0) / (t12 * (1.f + t01) * (1.f + t2)));
}

// y (C, count), weights (C, WEIGHTS), parts (blocks, C, SUMS); w and room are shared
template <int HIDDEN> __device__ __forceinline__ void noisy_rate(
    const float* y, const float* u, const float* weights, const double* softness, float* r, float* d_y, float* dr_dy, float* parts,
    int flags, int count, float (&w)[WEIGHTS], float (&room)[THREADS / 32][SUMS]) {
  const int c = blockIdx.y, C = gridDim.y, thread = threadIdx.x;
  if (thread < WEIGHTS) w[thread] = weights[c * WEIGHTS + thread];
  __syncthreads();
  const Softness soft = softness_of(softness), soft_r = softness_of(softness + 5);
  float sums[WEIGHTS], nats = 0.f;
#pragma unroll
  for (int i = 0; i < WEIGHTS; i++) sums[i] = 0.f;
  for (int i = blockIdx.x * THREADS + thread; i < count; i += gridDim.x * THREADS) {
    const long long at = (long long)c * count + i;
    float s_slope, m_slope, r_slope, d_m;
    const float z = soft_round(y[at], soft, s_slope) + u[at];
    const float m = conditional_mean(z, soft, m_slope);
    nats += rate<HIDDEN>(m, w, d_m, sums);
    const float d_s = flags & EXPECTED_RATE ? expected_rate<HIDDEN>(y[at], w) : d_m * m_slope;
    d_y[at] = d_s * s_slope * BITS_PER_NAT;
    r[at] = conditional_mean(z, soft_r, r_slope);
    dr_dy[at] = flags & EXPECTED_DISTORTION ? s_slope : s_slope * r_slope;
  }
#pragma unroll
  for (int i = 0; i < SUMS; i++) {
    float total = i < WEIGHTS ? sums[i < WEIGHTS ? i : 0] : nats;
    for (int bits = 16; bits; bits /= 2) total += __shfl_xor_sync(0xFFFFFFFFu, total, bits);
    if (thread % 32 == 0) room[thread / 32][i] = total;
  }
  __syncthreads();
  if (thread < SUMS) {
    float total = 0.f;
    for (int warp = 0; warp < THREADS / 32; warp++) total += room[warp][thread];
    parts[((long long)blockIdx.x * C + c) * SUMS + thread] = total * BITS_PER_NAT;
  }
}

// Where a weight comes from: entry `index` of a channel's `size` in H, b or a (`part` 0, 1, 2) of a layer.
struct Slot { int layer, part, index, size; };
template <int HIDDEN> __device__ __forceinline__ Slot slot_of(int i) {
  const int l = i >= LAST ? HIDDEN : i < LAYER(1) ? 0 : (i - LAYER(1)) / 15 + 1, rest = i - LAYER(l);
  const int entries = l == 0 || l == HIDDEN ? 3 : 9, outputs = l == HIDDEN ? 1 : 3;
  if (rest < entries) return {l, 0, rest, entries};
  if (rest < entries + outputs) return {l, 1, rest - entries, outputs};
  return {l, 2, rest - entries - outputs, outputs};
}

// The effective weights (C, WEIGHTS) of a density: softplus(H), b and tanh(a)
template <int HIDDEN> __device__ __forceinline__ void pack(const float* const (&arrays)[3][5], float* weights, int C) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= C * WEIGHTS) return;
  const Slot slot = slot_of<HIDDEN>(at % WEIGHTS);
  const float x = arrays[slot.part][slot.layer][at / WEIGHTS * slot.size + slot.index];
  weights[at] = slot.part == 0 ? fmaxf(x, 0.f) + log1pf(expf(-fabsf(x))) : slot.part == 1 ? x : tanhf(x);
}

// Sums of the blocks, in float64: bits (C,), and by the chain rule the gradients of a density's parameters
template <int HIDDEN> __device__ __forceinline__ void add_parts(
    const float* parts, const float* const (&arrays)[3][5], float* const (&d_arrays)[3][5], double* bits, int blocks, int C) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= C * SUMS) return;
  double total = 0;
  for (int block = 0; block < blocks; block++) total += parts[(long long)block * C * SUMS + at];
  const int c = at / SUMS, i = at % SUMS;
  if (i == WEIGHTS) {
    bits[c] = total;
    return;
  }
  const Slot slot = slot_of<HIDDEN>(i);
  const int to = c * slot.size + slot.index;
  const float x = arrays[slot.part][slot.layer][to], t = tanhf(slot.part == 0 ? 0.5f * x : x);
  const float slope = slot.part == 0 ? 0.5f + 0.5f * t : slot.part == 1 ? 1.f : (1.f - t) * (1.f + t);
  d_arrays[slot.part][slot.layer][to] = (float)total * slope;
}

// The way back: d_y of d_r (C, columns) and d_bits (C,), where `d_one` has the derivatives of the bits
extern "C" __global__ void noisy_rate_backward(
    const float* __restrict__ d_r, const double* __restrict__ d_bits, const float* __restrict__ d_one,
    const float* __restrict__ dr_dy, float* __restrict__ d_y, int columns, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) d_y[at] = d_r[at] * dr_dy[at] + (float)d_bits[at / columns] * d_one[at];
}

// For densities of widths 3, 3, 3
extern "C" __global__ void __launch_bounds__(THREADS) noisy_rate_3(
    const float* __restrict__ y, const float* __restrict__ u, const float* __restrict__ weights, const double* __restrict__ softness,
    float* __restrict__ r, float* __restrict__ d_y, float* __restrict__ dr_dy, float* __restrict__ parts, int flags, int count) {
  constexpr int HIDDEN = 3;
  __shared__ float w[WEIGHTS], room[THREADS / 32][SUMS];
  noisy_rate<HIDDEN>(y, u, weights, softness, r, d_y, dr_dy, parts, flags, count, w, room);
}
extern "C" __global__ void pack_3(
    const float* H0, const float* H1, const float* H2, const float* H3,
    const float* b0, const float* b1, const float* b2, const float* b3,
    const float* a0, const float* a1, const float* a2, float* __restrict__ weights, int C) {
  const float* const arrays[3][5] = {{H0, H1, H2, H3}, {b0, b1, b2, b3}, {a0, a1, a2}};
  pack<3>(arrays, weights, C);
}
extern "C" __global__ void add_parts_3(
    const float* __restrict__ parts,
    const float* H0, const float* H1, const float* H2, const float* H3,
    const float* b0, const float* b1, const float* b2, const float* b3,
    const float* a0, const float* a1, const float* a2,
    float* d_H0, float* d_H1, float* d_H2, float* d_H3,
    float* d_b0, float* d_b1, float* d_b2, float* d_b3,
    float* d_a0, float* d_a1, float* d_a2,
    double* __restrict__ bits, int blocks, int C) {
  const float* const arrays[3][5] = {{H0, H1, H2, H3}, {b0, b1, b2, b3}, {a0, a1, a2}};
  float* const d_arrays[3][5] = {{d_H0, d_H1, d_H2, d_H3}, {d_b0, d_b1, d_b2, d_b3}, {d_a0, d_a1, d_a2}};
  add_parts<3>(parts, arrays, d_arrays, bits, blocks, C);
}

// For densities of widths 3, 3, 3, 3
extern "C" __global__ void __launch_bounds__(THREADS) noisy_rate_4(
    const float* __restrict__ y, const float* __restrict__ u, const float* __restrict__ weights, const double* __restrict__ softness,
    float* __restrict__ r, float* __restrict__ d_y, float* __restrict__ dr_dy, float* __restrict__ parts, int flags, int count) {
  constexpr int HIDDEN = 4;
  __shared__ float w[WEIGHTS], room[THREADS / 32][SUMS];
  noisy_rate<HIDDEN>(y, u, weights, softness, r, d_y, dr_dy, parts, flags, count, w, room);
}
extern "C" __global__ void pack_4(
    const float* H0, const float* H1, const float* H2, const float* H3, const float* H4,
    const float* b0, const float* b1, const float* b2, const float* b3, const float* b4,
    const float* a0, const float* a1, const float* a2, const float* a3, float* __restrict__ weights, int C) {
  const float* const arrays[3][5] = {{H0, H1, H2, H3, H4}, {b0, b1, b2, b3, b4}, {a0, a1, a2, a3}};
  pack<4>(arrays, weights, C);
}
extern "C" __global__ void add_parts_4(
    const float* __restrict__ parts,
    const float* H0, const float* H1, const float* H2, const float* H3, const float* H4,
    const float* b0, const float* b1, const float* b2, const float* b3, const float* b4,
    const float* a0, const float* a1, const float* a2, const float* a3,
    float* d_H0, float* d_H1, float* d_H2, float* d_H3, float* d_H4,
    float* d_b0, float* d_b1, float* d_b2, float* d_b3, float* d_b4,
    float* d_a0, float* d_a1, float* d_a2, float* d_a3,
    double* __restrict__ bits, int blocks, int C) {
  const float* const arrays[3][5] = {{H0, H1, H2, H3, H4}, {b0, b1, b2, b3, b4}, {a0, a1, a2, a3}};
  float* const d_arrays[3][5] = {{d_H0, d_H1, d_H2, d_H3, d_H4}, {d_b0, d_b1, d_b2, d_b3, d_b4}, {d_a0, d_a1, d_a2, d_a3}};
  add_parts<4>(parts, arrays, d_arrays, bits, blocks, C);
}
