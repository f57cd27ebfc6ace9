// The network of the non-parametric CDF at one point, there and back, for HIDDEN layers of width 3; npuq.nn.nonparametric
// says what it computes. All loops are unrolled, so that every number of it lies in a register.
#pragma once
// Where a layer's weights begin: softplus(H) row by row, then b, then tanh(a)
#define LAYER(l) ((l) ? 15 * (l) - 6 : 0)
#define B(l) (LAYER(l) + ((l) ? 9 : 3))
#define A(l) (B(l) + 3)
#define LAST LAYER(HIDDEN)  // H of the last layer; its b is the last weight
#define WEIGHTS (LAST + 4)

// The rational function of npuq.kernels.cpu.elementary: 4e-7 of itself, and no branch.
__device__ __forceinline__ float fast_tanh(float x) {
  x = fminf(fmaxf(x, -9.f), 9.f);
  const float s = x * x;
  const float p = 0.999999979f + s * (0.133810156f + s * (3.49557616e-3f + s * (2.06088864e-5f + s * 1.3354397e-8f)));
  const float q = 1.f + s * (0.467143312f + s * (2.58769367e-2f + s * (3.28561526e-4f + s * 7.77644835e-7f)));
  return fminf(fmaxf(__fdividef(x * p, q), -1.f), 1.f);
}

template <int HIDDEN> struct Kept { float t[HIDDEN][3], x[HIDDEN][3]; };  // each layer's tanh, and its output

// The logit of the CDF at y.
template <int HIDDEN> __device__ __forceinline__ float network(float y, const float* w, Kept<HIDDEN>& kept) {
#pragma unroll
  for (int l = 0; l < HIDDEN; l++)
#pragma unroll
    for (int i = 0; i < 3; i++) {
      float h = w[B(l) + i];
      if (l == 0) h += w[i] * y;
      else
#pragma unroll
        for (int j = 0; j < 3; j++) h += w[LAYER(l) + 3 * i + j] * kept.x[l - 1][j];
      kept.t[l][i] = fast_tanh(h);
      kept.x[l][i] = h + w[A(l) + i] * kept.t[l][i];
    }
  return w[WEIGHTS - 1] + w[LAST] * kept.x[HIDDEN - 1][0] + w[LAST + 1] * kept.x[HIDDEN - 1][1] + w[LAST + 2] * kept.x[HIDDEN - 1][2];
}

// `network` read upwards: d_y, and the gradients of the weights added to `sums`.
template <int HIDDEN>
__device__ __forceinline__ float network_backward(
    float d_logit, float y, const Kept<HIDDEN>& kept, const float* w, float (&sums)[WEIGHTS]) {
  float d[3];
  sums[WEIGHTS - 1] += d_logit;
#pragma unroll
  for (int i = 0; i < 3; i++) {
    sums[LAST + i] += d_logit * kept.x[HIDDEN - 1][i];
    d[i] = w[LAST + i] * d_logit;
  }
#pragma unroll
  for (int l = HIDDEN - 1; l >= 0; l--) {
#pragma unroll
    for (int i = 0; i < 3; i++) {
      const float t = kept.t[l][i];
      sums[A(l) + i] += d[i] * t;
      d[i] *= 1.f + w[A(l) + i] * (1.f - t * t);
      sums[B(l) + i] += d[i];
    }
    if (l == 0) break;
    float d_x[3] = {0.f, 0.f, 0.f};
#pragma unroll
    for (int i = 0; i < 3; i++)
#pragma unroll
      for (int j = 0; j < 3; j++) {
        sums[LAYER(l) + 3 * i + j] += d[i] * kept.x[l > 0 ? l - 1 : 0][j];
        d_x[j] += w[LAYER(l) + 3 * i + j] * d[i];
      }
#pragma unroll
    for (int j = 0; j < 3; j++) d[j] = d_x[j];
  }
  float d_y = 0.f;
#pragma unroll
  for (int i = 0; i < 3; i++) {
    sums[i] += d[i] * y;
    d_y += w[i] * d[i];
  }
  return d_y;
}
