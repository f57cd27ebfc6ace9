// Rows of what changes from step to step, chosen by a count on the device; the plain twins are in npuq.nn.rows.

extern "C" __global__ void take_row(
    const unsigned* __restrict__ table, const long long* __restrict__ count, unsigned* __restrict__ row, int rows, int words) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < words) row[at] = table[count[0] % rows * words + at];
}

// One thread
extern "C" __global__ void keep_losses(
    const double* __restrict__ loss, const double* __restrict__ bpp, const double* __restrict__ mse, double* __restrict__ table,
    long long* __restrict__ count, int rows) {
  double* const row = table + count[0] % rows * 3;
  row[0] = loss[0];
  row[1] = bpp[0];
  row[2] = mse[0];
  count[0] += 1;
}
