// Bounded parameters (Balle 2018), bit for bit those of npuq.nn.non_negative: nothing is fused.

// The larger one, and x where it is no number
__device__ __forceinline__ float bounded(float x, float bound) { return x < bound ? bound : x; }

extern "C" __global__ void non_negative(const float* __restrict__ theta, float* __restrict__ value, float root, float pedestal, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float b = bounded(theta[i], root);
  value[i] = __fsub_rn(__fmul_rn(b, b), pedestal);
}

extern "C" __global__ void non_negative_backward_straight_through(
    const float* __restrict__ d_y, const float* __restrict__ theta, float* __restrict__ d_theta, float root, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float d = __fmul_rn(2.f * bounded(theta[i], root), d_y[i]);
  d_theta[i] = theta[i] >= root || d < 0.f ? d : 0.f;
}
