// Leaky ReLU and its gradient; the plain twins are npuq.nn.activations.

extern "C" __global__ void leaky_relu(const float* __restrict__ x, float* __restrict__ y, float slope, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) y[at] = x[at] < slope * x[at] ? slope * x[at] : x[at];  // x where it is no number
}

extern "C" __global__ void leaky_relu_backward(
    const float* __restrict__ d_y, const float* __restrict__ x, float* __restrict__ d_x, float slope, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) d_x[at] = x[at] > 0.f ? d_y[at] : slope * d_y[at];
}
