// Convolutions by the definition: what an output is made of is laid side by side, and multiplied by cuBLAS. They serve
// the narrow ends, images of three channels, and whatever is no case of winograd.cu. The plain twin is npuq.nn.conv.

// unfolded (N rows columns, kh kw C) of x (N, H, W, C), one thread for each number
extern "C" __global__ void unfold(
    const float* __restrict__ x, float* __restrict__ unfolded,
    int H, int W, int C, int rows, int columns, int kh, int kw, int stride, int padding, long long count) {
  const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const int c = at % C, q = at / C % kw, p = at / C / kw % kh;
  const long long output = at / C / kw / kh, n = output / columns / rows;
  const int row = (int)(output / columns % rows) * stride + p - padding, column = (int)(output % columns) * stride + q - padding;
  const bool is_there = row >= 0 && row < H && column >= 0 && column < W;
  unfolded[at] = is_there ? x[((n * H + row) * W + column) * C + c] : 0.f;
}

// The transpose, plus bias: each pixel of x adds up what the outputs around it have for it
extern "C" __global__ void fold(
    const float* __restrict__ unfolded, const float* __restrict__ bias, float* __restrict__ x,
    int H, int W, int C, int rows, int columns, int kh, int kw, int stride, int padding, long long count) {
  const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const int c = at % C, column = at / C % W + padding, row = at / C / W % H + padding;
  const long long n = at / C / W / H;
  float total = bias[c];
  for (int p = row % stride; p < kh && p <= row; p += stride)
    for (int q = column % stride; q < kw && q <= column; q += stride) {
      const int i = (row - p) / stride, j = (column - q) / stride;
      if (i < rows && j < columns) total += unfolded[((((n * rows + i) * columns + j) * kh + p) * kw + q) * C + c];
    }
  x[at] = total;
}

// Sums over all pixels of x (P, C): of `share` of them in a block, for 32 channels; parts (shares, C)
extern "C" __global__ void add_pixels(const float* __restrict__ x, float* __restrict__ parts, long long P, int C, int share) {
  __shared__ float room[8][32];
  const int c = blockIdx.y * 32 + threadIdx.x;
  const long long first = (long long)blockIdx.x * share, last = first + share < P ? first + share : P;
  float total = 0.f;
  if (c < C)
    for (long long p = first + threadIdx.y; p < last; p += 8) total += x[p * C + c];
  room[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y || c >= C) return;
  for (int i = 1; i < 8; i++) total += room[i][threadIdx.x];
  parts[(long long)blockIdx.x * C + c] = total;
}

extern "C" __global__ void add_shares(const float* __restrict__ parts, float* __restrict__ sums, int shares, int C) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= C) return;
  float total = 0.f;
  for (int share = 0; share < shares; share++) total += parts[(long long)share * C + c];
  sums[c] = total;
}
