// The words of a window of the dither (Sec. 3.2): counter (block, row, channel, tensor), one thread each.
#include "philox.cuh"

extern "C" __global__ void dither_words(
    const unsigned* __restrict__ key, unsigned* __restrict__ words,  // (2,), (channels, rows, blocks, 4)
    int rows, int blocks, unsigned first_block, unsigned first_row, unsigned first_channel, unsigned tensor, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  unsigned counter[4] = {first_block + at % blocks, first_row + at / blocks % rows, first_channel + at / blocks / rows, tensor};
  philox4x32(counter, key[0], key[1]);
  for (int i = 0; i < 4; i++) words[4ll * at + i] = counter[i];
}
