// The rate of residuals under normal densities, each of its own scale, with all gradients (Eqs. 23 and 24). One thread
// has one coefficient and computes in float64: there are few of them. The plain twins are in npuq.models.conditional_rate,
// the formulas those of npuq.kernels.cpu.conditional_rate: with Q(x) = Phi(-x) and m = r_alpha(z),
//   p = Q(a) - Q(b),    a = (|m| - 1/2) / sigma,    b = (|m| + 1/2) / sigma,
// and in the tail, a > 0, both have e^(-a^2/2) divided out, as they could be 0 in any format.
#define SQRT_HALF 0.70710678118654752
#define SQRT_2_OVER_PI 0.79788456080286536
#define LN2 0.69314718055994531
#define FAR 25.0  // where the series has converged to 1e-11 of itself, and the exponential is finite
#define EXPECTED_RATE 1
#define EXPECTED_DISTORTION 2

// 2 Q(x) e^(x^2/2) for x >= 0 (Abramowitz & Stegun 1964, 7.1.23)
__device__ double scaled_tail(double x) {
  if (x < FAR) return erfc(x * SQRT_HALF) * exp(0.5 * x * x);
  const double v = 1 / (x * x);
  return SQRT_2_OVER_PI / x * (1 - v * (1 - v * (3 - v * (15 - 105 * v))));
}

// -log p, and its derivatives with respect to m and to sigma
__device__ double nats_of(double m, double sigma, double& d_m, double& d_sigma) {
  const double size = fabs(m), a = (size - 0.5) / sigma, b = (size + 0.5) / sigma;
  const double falls = exp(-size / (sigma * sigma));  // from a to b, e^(-x^2/2)
  double nats, phi;
  if (a > 0) {
    const double p = scaled_tail(a) - falls * scaled_tail(b);  // times 2 e^(a^2/2)
    nats = 0.5 * a * a + LN2 - log(p);
    phi = SQRT_2_OVER_PI / p;
  } else {
    const double p = 1 - 0.5 * (erfc(-a * SQRT_HALF) + erfc(b * SQRT_HALF));
    nats = -log(p);
    phi = 0.5 * SQRT_2_OVER_PI * exp(-0.5 * a * a) / p;
  }
  d_m = copysign(phi * (1 - falls) / sigma, m);
  d_sigma = -phi * (a - b * falls) / sigma;
  return nats;
}

// r_alpha (Eq. 14) and its derivative; numbers of alpha as npuq.kernels.cuda.softness has them
__device__ double conditional_mean(double z, const double* numbers, double& slope) {
  slope = 1;
  if (numbers[0] == 0) return z;
  const double q = numbers[2], n = floor(z + 0.5), w = 2 * (z - n);
  const double above = (1 + w) + (1 - w) * q, below = (1 + w) * q + (1 - w);
  slope = numbers[3] * (1 / above + 1 / below);
  return n + log(above / below) * numbers[4];
}

extern "C" __global__ void conditional_rate(
    const float* __restrict__ t, const float* __restrict__ u, const float* __restrict__ sigma, const double* __restrict__ softness,
    float* __restrict__ r, float* __restrict__ bits, float* __restrict__ d_t, float* __restrict__ d_sigma, float* __restrict__ dr_dt,
    double smallest, int flags, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const double alpha = softness[0], half = softness[1], y = t[at];
  const double scale = sigma[at] < smallest ? smallest : sigma[at];  // what is no number stays none
  double s = y, s_slope = 1;
  if (alpha > 0) {
    const double below = floor(y), e = tanh(alpha * (y - below - 0.5));
    s = below + 0.5 + half * e;
    s_slope = alpha * half * (1 - e) * (1 + e);
  }
  const double z = s + u[at];
  double m_slope, r_slope, d_m, d_scale, unused, none;
  const double m = conditional_mean(z, softness, m_slope);
  const double nats = nats_of(m, scale, d_m, d_scale);
  double d_s = d_m * m_slope;
  if (flags & EXPECTED_RATE)  // of the place before rounding, whatever alpha
    d_s = nats_of(y + 0.5, scale, unused, none) - nats_of(y - 0.5, scale, unused, none);
  r[at] = conditional_mean(z, softness + 5, r_slope);
  bits[at] = nats / LN2;
  d_t[at] = d_s * s_slope / LN2;
  // its gradient passes below the bound only if it leads upwards
  d_sigma[at] = sigma[at] >= smallest || d_scale < 0 ? d_scale / LN2 : 0;
  dr_dt[at] = flags & EXPECTED_DISTORTION ? s_slope : s_slope * r_slope;
}
