// Uniform noise of training (Eq. 4): counter (number // 4, 0, step, tensor), one thread each.
#include "philox.cuh"

extern "C" __global__ void uniform_noise(const unsigned* __restrict__ place, float* __restrict__ u, int count) {
  // place: seed mod 2^32, seed div 2^32, step, tensor
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= (count + 3ll) / 4) return;
  unsigned counter[4] = {(unsigned)at, 0u, place[2], place[3]};
  philox4x32(counter, place[0], place[1]);
  for (int i = 0; i < 4 && 4ll * at + i < count; i++)
    u[4ll * at + i] = (float)(counter[i] >> 8) * 5.9604644775390625e-8f - 0.5f;  // 2^-24: exact
}
