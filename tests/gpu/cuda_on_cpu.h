// CUDA C as C++: the words of the language, and those functions of it that the kernels use.
#pragma once
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "threads.h"

#define NPUQ_ON_CPU 1
#define __global__ static
#define __device__ inline
#define __forceinline__
#define __noinline__
#define __host__
#define __constant__ static const
#define __restrict__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared"), aligned(16)))
// (shared memory belongs into kernels themselves: of a template's, the section would be lost)

struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
using std::max;
using std::min;

// --- threads that wait for each other; the line tells one barrier from another
#define __syncthreads() emulator::wait_at(emulator::Fiber::AT_BLOCK, __LINE__)
#define __syncwarp(...) emulator::wait_at(emulator::Fiber::AT_WARP, __LINE__)
#define __shfl_sync(mask, value, lane) emulator::from_lane(value, lane, __LINE__)
#define __shfl_xor_sync(mask, value, bits) emulator::from_lane(value, emulator::now->lane ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, step) emulator::from_lane(value, emulator::lane_below(step), __LINE__)
namespace emulator {
static int lane_below(int step) { return now->lane + step < WARP ? now->lane + step : now->lane; }
template <class T> static T from_lane(T value, int lane, int line) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle takes eight bytes at most");
  memcpy(&exchange[now->warp][now->lane], &value, sizeof value);
  wait_at(Fiber::AT_WARP, line);
  memcpy(&value, &exchange[now->warp][lane], sizeof value);
  wait_at(Fiber::AT_WARP, line);
  return value;
}
}  // namespace emulator

template <class T> static inline T atomicAdd(T* to, T value) {
  static_assert(std::is_integral<T>::value, "sums of floats in an order that chance makes: the result would change from run to run");
  const T old = *to;
  *to += value;
  return old;
}

// --- arithmetic
#define __expf(x) expf(x)  // the C library has functions of these names
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b) { return a / b; }
static inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
static inline unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static inline float __uint_as_float(unsigned u) { float x; memcpy(&x, &u, 4); return x; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
// Rounded by themselves: never one half of a fused multiplication and addition.
static inline double apart(double x) { volatile double kept = x; return kept; }
static inline double __dadd_rn(double a, double b) { return apart(a + b); }
static inline float apart(float x) { volatile float kept = x; return kept; }
static inline float __fsub_rn(float a, float b) { return apart(a - b); }
static inline float __fmul_rn(float a, float b) { return apart(a * b); }
static inline double __dmul_rn(double a, double b) { return apart(a * b); }

// --- what is machine code on the GPU; ptx.cuh has the other half
static inline unsigned to_tf32(float x) {  // to 10 bits behind the point, half away from 0
  const unsigned u = __float_as_uint(x);
  return (u & 0x7F800000u) == 0x7F800000u ? u : (u + 0x1000u) & ~0x1FFFu;
}
static inline float as_tf32(unsigned u) { return __uint_as_float(u & ~0x1FFFu); }  // a tensor core sees no more of it
// d += a b, a 16 x 8 by rows, b 8 x 8 by columns, of all lanes of a warp together
static inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  static float A[32][16][8], B[32][8][8];
  const int warp = emulator::now->warp, group = emulator::now->lane / 4, t = emulator::now->lane % 4;
  for (int i = 0; i < 4; i++) A[warp][group + i % 2 * 8][t + i / 2 * 4] = as_tf32(a[i]);
  for (int i = 0; i < 2; i++) B[warp][t + 4 * i][group] = as_tf32(b[i]);
  __syncwarp();
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 8; k++) d[i] += A[warp][group + i / 2 * 8][k] * B[warp][k][2 * t + i % 2];
  __syncwarp();
}
// Zeros if not valid. It arrives when it is waited for, at once, or by chance, as the order of the launch says.
static inline void copy16_async(void* to, const void* from, bool valid) {
  using namespace emulator;
  if ((uintptr_t)to % 16 || (valid && (uintptr_t)from % 16)) fail("an asynchronous copy of 16 bytes at no multiple of 16");
  if (order == 1 || (order > 1 && chance() % 2)) valid ? memcpy(to, from, 16) : memset(to, 0, 16);
  else now->open.push_back({to, valid ? from : nullptr, 16});
}
static inline void copies_commit() {
  emulator::now->groups.push_back(emulator::now->open);
  emulator::now->open.clear();
}
template <int N> static inline void copies_wait() {  // until all groups but the last N have arrived
  auto& groups = emulator::now->groups;
  while ((int)groups.size() > N) {
    for (auto& copy : groups.front()) copy.from ? memcpy(copy.to, copy.from, copy.bytes) : memset(copy.to, 0, copy.bytes);
    groups.erase(groups.begin());
  }
}
