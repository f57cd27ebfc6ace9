// What depends on one of 256 dithers, looked up for each coefficient; the plain twins are one line each in
// npuq.codec.quantizer. Their integers are those of every other device: a difference of two floats is rounded the same
// everywhere, and as no number of the table is 0, it is never so small that CuPy's flag -ftz would make it 0.

extern "C" __global__ void look_up_symbols(
    const float* __restrict__ y, const unsigned char* __restrict__ n, const float* __restrict__ v, int* __restrict__ k, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) k[at] = (int)floorf(y[at] - v[n[at]]) + 1;
}

extern "C" __global__ void look_up_values(
    const int* __restrict__ k, const unsigned char* __restrict__ n, const float* __restrict__ r, float* __restrict__ sum, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) sum[at] = (float)k[at] + r[n[at]];
}
