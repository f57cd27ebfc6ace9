// Adam (Kingma & Ba 2015, Algorithm 1), one thread for each number; the plain twin is npuq.nn.adam.

extern "C" __global__ void adam_update(
    const float* __restrict__ p, const float* __restrict__ g, const float* __restrict__ m, const float* __restrict__ v,
    float* __restrict__ p_new, float* __restrict__ m_new, float* __restrict__ v_new,
    float beta1, float beta2, float one_less_beta1, float one_less_beta2, float rate, float correction, float epsilon, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  m_new[i] = beta1 * m[i] + one_less_beta1 * g[i];
  v_new[i] = beta2 * v[i] + one_less_beta2 * (g[i] * g[i]);
  p_new[i] = p[i] - rate * m_new[i] / (sqrtf(correction * v_new[i]) + epsilon);
}
