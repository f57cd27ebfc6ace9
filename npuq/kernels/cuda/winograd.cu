// Winograd's convolutions around products by cuBLAS: what npuq.nn.winograd writes down, Y = A' [(G g G') * (B' d B)] A,
// and the transpose of each step. Kernels are 5 x 5 at stride 2 or 3 x 3 at stride 1; tiles have 2 x 2 outputs.
//
// x (N, H, W, C) has T = N rows columns tiles. At point (i, j) the pixels make a matrix (T, k_i k_j C), the kernels one
// (k_i k_j C, C_out): of each phase of the stride, but that at infinity, i = 3, only phases with three taps count. The
// matrices follow each other in memory from the largest to the smallest, so that those of one size are one product
// of a batch: 9 points, then (0..2, 3) and (3, 0..2), then (3, 3).
__device__ constexpr float B[4][4] = {{1, 0, 0, 0}, {0, 1, -1, 1}, {-1, 1, 1, 0}, {0, 0, 0, -1}};
__device__ constexpr float G[4][3] = {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
__device__ constexpr float A[4][2] = {{1, 0}, {1, 1}, {1, -1}, {0, -1}};
#define SIDE 2  // of a tile, outputs

template <int TAPS, int STRIDE> struct Geometry {
  static constexpr int taps = TAPS, stride = STRIDE, threes = TAPS - 2 * STRIDE;  // phases with three taps
  __device__ static constexpr int points_of(int phase) { return phase < threes ? 4 : 3; }
  __device__ static constexpr int taps_of(int phase) { return phase < threes ? 3 : 2; }
  __device__ static constexpr int phases_at(int point) { return point < 3 ? STRIDE : threes; }
};
typedef Geometry<5, 2> Five;
typedef Geometry<3, 1> Three;

// Which matrix is that of a point, and how many rows of (C, C_out), or columns of (T, C), come before it
__device__ constexpr int place_of(int i, int j) { return i < 3 && j < 3 ? 3 * i + j : i < 3 ? 9 + i : j < 3 ? 12 + j : 15; }
template <class K> __device__ constexpr int entries_before(int i, int j) {
  const int place = place_of(i, j), many = K::stride * K::stride, some = K::stride * K::threes;
  return place < 9 ? place * many : 9 * many + (place - 9) * some;
}
// The entry of phases (f, h) at a point, among all points
template <class K> __device__ __forceinline__ long long points_at(int i, int j, int f, int h, long long t, long long T, int c, int C) {
  const int across = K::phases_at(j), width = K::phases_at(i) * across;
  return (T * entries_before<K>(i, j) + t * width + f * across + h) * C + c;
}
template <class K> __device__ __forceinline__ long long matrix_at(int i, int j, int f, int h, int c, int C, int o, int C_out) {
  return ((long long)(entries_before<K>(i, j) + f * K::phases_at(j) + h) * C + c) * C_out + o;
}

// B' d B of each tile, one thread for each channel of one
template <class K> __device__ __forceinline__ void points_of_input(
    const float* x, float* points, int H, int W, int C, int rows, int columns, int padding, long long T) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (thread >= T * C) return;
  const int c = thread % C;
  const long long t = thread / C, n = t / columns / rows;
  const int top = (int)(t / columns % rows) * SIDE * K::stride - padding, left = (int)(t % columns) * SIDE * K::stride - padding;
#pragma unroll
  for (int f = 0; f < K::stride; f++)
#pragma unroll
    for (int h = 0; h < K::stride; h++) {
      float d[4][4];
#pragma unroll
      for (int m = 0; m < 4; m++)
#pragma unroll
        for (int q = 0; q < 4; q++) {
          const int row = top + f + K::stride * m, column = left + h + K::stride * q;
          const bool is_there = m < K::points_of(f) && q < K::points_of(h) && row >= 0 && row < H && column >= 0 && column < W;
          d[m][q] = is_there ? x[((n * H + row) * W + column) * C + c] : 0.f;
        }
#pragma unroll
      for (int i = 0; i < K::points_of(f); i++) {
        float line[4];
#pragma unroll
        for (int q = 0; q < 4; q++) {
          line[q] = 0.f;
#pragma unroll
          for (int m = 0; m < 4; m++)
            if (B[m][i] != 0) line[q] += B[m][i] * d[m][q];
        }
#pragma unroll
        for (int j = 0; j < K::points_of(h); j++) {
          float point = 0.f;
#pragma unroll
          for (int q = 0; q < 4; q++)
            if (B[q][j] != 0) point += B[q][j] * line[q];
          points[points_at<K>(i, j, f, h, t, T, c, C)] = point;
        }
      }
    }
}

// The transpose, plus bias: each pixel adds up what the tiles around it have for it, up to two along each axis
template <class K> __device__ __forceinline__ void input_of_points(
    const float* points, const float* bias, float* x, int H, int W, int C, int rows, int columns, int padding, long long T) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const int c = thread % C, column = thread / C % W, row = thread / C / W % H;
  const long long n = thread / C / W / H;
  if (n >= T / rows / columns) return;
  const int f = (row + padding) % K::stride, h = (column + padding) % K::stride;
  const int down = (row + padding) / K::stride, across = (column + padding) / K::stride;
  float total = bias[c];
  for (int m = down % 2; m < K::points_of(f); m += 2)
    for (int q = across % 2; q < K::points_of(h); q += 2) {
      if (m > down || q > across) continue;
      const int tile_row = (down - m) / 2, tile_column = (across - q) / 2;
      if (tile_row >= rows || tile_column >= columns) continue;
      const long long t = (n * rows + tile_row) * columns + tile_column;
      for (int i = 0; i < K::points_of(f); i++) {
        if (B[m][i] == 0) continue;
        for (int j = 0; j < K::points_of(h); j++)
          if (B[q][j] != 0) total += B[m][i] * B[q][j] * points[points_at<K>(i, j, f, h, t, T, c, C)];
      }
    }
  x[thread] = total;
}

// G g G' of kernels w (C_out, C, taps, taps), one thread for each pair of channels
template <class K> __device__ __forceinline__ void matrix_of_kernels(const float* w, float* matrix, int C_out, int C) {
  const int thread = blockIdx.x * blockDim.x + threadIdx.x, o = thread % C_out, c = thread / C_out;
  if (c >= C) return;
  const float* g = w + ((long long)o * C + c) * K::taps * K::taps;
#pragma unroll
  for (int f = 0; f < K::stride; f++)
#pragma unroll
    for (int h = 0; h < K::stride; h++)
#pragma unroll
      for (int i = 0; i < K::points_of(f); i++)
#pragma unroll
        for (int j = 0; j < K::points_of(h); j++) {
          float point = 0.f;
#pragma unroll
          for (int p = 0; p < K::taps_of(f); p++)
#pragma unroll
            for (int q = 0; q < K::taps_of(h); q++)
              if (G[i][p] * G[j][q] != 0) point += G[i][p] * G[j][q] * g[(f + K::stride * p) * K::taps + h + K::stride * q];
          matrix[matrix_at<K>(i, j, f, h, c, C, o, C_out)] = point;
        }
}

// The transpose
template <class K> __device__ __forceinline__ void kernels_of_matrix(const float* matrix, float* w, int C_out, int C) {
  const int thread = blockIdx.x * blockDim.x + threadIdx.x, o = thread % C_out, c = thread / C_out;
  if (c >= C) return;
  float* g = w + ((long long)o * C + c) * K::taps * K::taps;
#pragma unroll
  for (int f = 0; f < K::stride; f++)
#pragma unroll
    for (int h = 0; h < K::stride; h++) {
      float taps[3][3] = {};
#pragma unroll
      for (int i = 0; i < K::points_of(f); i++)
#pragma unroll
        for (int j = 0; j < K::points_of(h); j++) {
          const float point = matrix[matrix_at<K>(i, j, f, h, c, C, o, C_out)];
#pragma unroll
          for (int p = 0; p < K::taps_of(f); p++)
#pragma unroll
            for (int q = 0; q < K::taps_of(h); q++)
              if (G[i][p] * G[j][q] != 0) taps[p][q] += G[i][p] * G[j][q] * point;
        }
#pragma unroll
      for (int p = 0; p < K::taps_of(f); p++)
#pragma unroll
        for (int q = 0; q < K::taps_of(h); q++) g[(f + K::stride * p) * K::taps + h + K::stride * q] = taps[p][q];
    }
}

extern "C" __global__ void points_of_input_5(
    const float* __restrict__ x, float* __restrict__ points, int H, int W, int C, int rows, int columns, int padding, long long T) {
  points_of_input<Five>(x, points, H, W, C, rows, columns, padding, T);
}
extern "C" __global__ void points_of_input_3(
    const float* __restrict__ x, float* __restrict__ points, int H, int W, int C, int rows, int columns, int padding, long long T) {
  points_of_input<Three>(x, points, H, W, C, rows, columns, padding, T);
}
extern "C" __global__ void input_of_points_5(
    const float* __restrict__ points, const float* __restrict__ bias, float* __restrict__ x,
    int H, int W, int C, int rows, int columns, int padding, long long T) {
  input_of_points<Five>(points, bias, x, H, W, C, rows, columns, padding, T);
}
extern "C" __global__ void input_of_points_3(
    const float* __restrict__ points, const float* __restrict__ bias, float* __restrict__ x,
    int H, int W, int C, int rows, int columns, int padding, long long T) {
  input_of_points<Three>(points, bias, x, H, W, C, rows, columns, padding, T);
}
extern "C" __global__ void matrix_of_kernels_5(const float* __restrict__ w, float* __restrict__ matrix, int C_out, int C) {
  matrix_of_kernels<Five>(w, matrix, C_out, C);
}
extern "C" __global__ void matrix_of_kernels_3(const float* __restrict__ w, float* __restrict__ matrix, int C_out, int C) {
  matrix_of_kernels<Three>(w, matrix, C_out, C);
}
extern "C" __global__ void kernels_of_matrix_5(const float* __restrict__ matrix, float* __restrict__ w, int C_out, int C) {
  kernels_of_matrix<Five>(matrix, w, C_out, C);
}
extern "C" __global__ void kernels_of_matrix_3(const float* __restrict__ matrix, float* __restrict__ w, int C_out, int C) {
  kernels_of_matrix<Three>(matrix, w, C_out, C);
}

// A' m A of each tile, plus bias; products (16, T, C), one thread for each channel of a tile of y (N, H, W, C)
extern "C" __global__ void outputs_of_products(
    const float* __restrict__ products, const float* __restrict__ bias, float* __restrict__ y,
    int H, int W, int C, int rows, int columns, long long T) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (thread >= T * C) return;
  const int c = thread % C;
  const long long t = thread / C, n = t / columns / rows;
  const int row = SIDE * (int)(t / columns % rows), column = SIDE * (int)(t % columns);
  float m[4][4];
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) m[i][j] = products[(place_of(i, j) * T + t) * C + c];
#pragma unroll
  for (int a = 0; a < SIDE; a++)
#pragma unroll
    for (int b = 0; b < SIDE; b++) {
      float total = bias[c];
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
          if (A[i][a] * A[j][b] != 0) total += A[i][a] * A[j][b] * m[i][j];
      if (row + a < H && column + b < W) y[((n * H + row + a) * W + column + b) * C + c] = total;
    }
}

// The transpose: A d_y A'
extern "C" __global__ void products_of_outputs(
    const float* __restrict__ y, float* __restrict__ products, int H, int W, int C, int rows, int columns, long long T) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (thread >= T * C) return;
  const int c = thread % C;
  const long long t = thread / C, n = t / columns / rows;
  const int row = SIDE * (int)(t / columns % rows), column = SIDE * (int)(t % columns);
  float d[SIDE][SIDE];
#pragma unroll
  for (int a = 0; a < SIDE; a++)
#pragma unroll
    for (int b = 0; b < SIDE; b++)
      d[a][b] = row + a < H && column + b < W ? y[((n * H + row + a) * W + column + b) * C + c] : 0.f;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      float product = 0.f;
#pragma unroll
      for (int a = 0; a < SIDE; a++)
#pragma unroll
        for (int b = 0; b < SIDE; b++)
          if (A[i][a] * A[j][b] != 0) product += A[i][a] * A[j][b] * d[a][b];
      products[(place_of(i, j) * T + t) * C + c] = product;
    }
}
