// Clip, judge, and Adam, over one flat buffer; the plain twin is npuq.nn.flat_adam, whose names these are.
#define THREADS 256
#define REMEMBERED 200
#define TO_JUDGE 20
#define NUMBERS 6  // beta1, beta2, epsilon, clip, ratio, share; then the rates
// What `judge` decides: the factor of the gradient, 1 / (1 - beta1^t), 1 / (1 - beta2^t), and whether there is a step.
#define DECISIONS 4

// The sum of all threads' numbers, the same in each; in a fixed order.
__device__ double sum_of_block(double value, double* room) {
  room[threadIdx.x] = value;
  __syncthreads();
  for (int half = THREADS / 2; half; half /= 2) {
    if (threadIdx.x < half) room[threadIdx.x] += room[threadIdx.x + half];
    __syncthreads();
  }
  return room[0];
}

// Sums of squares of each block's share of g
extern "C" __global__ void add_squares(const float* __restrict__ g, double* __restrict__ parts, int count) {
  __shared__ double room[THREADS];
  double total = 0;
  for (long long i = blockIdx.x * THREADS + threadIdx.x; i < count; i += gridDim.x * THREADS) total += g[i] * g[i];
  total = sum_of_block(total, room);
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

// One block: the length of the gradient, the median of those before it, and what follows for the step
extern "C" __global__ void judge(
    const double* __restrict__ parts, const double* __restrict__ numbers, double* __restrict__ lengths, long long* __restrict__ steps,
    double* __restrict__ decision, int blocks) {
  __shared__ double room[THREADS], before[REMEMBERED], middle[2];
  const int thread = threadIdx.x;
  const long long seen = steps[1];
  const int known = seen < REMEMBERED ? (int)seen : REMEMBERED;
  double total = 0, no_number = 0;
  for (int i = thread; i < blocks; i += THREADS) total += parts[i];
  const double length = sqrt(sum_of_block(total, room));
  if (thread < known) {
    before[thread] = lengths[thread];
    no_number = before[thread] != before[thread];
  }
  __syncthreads();
  no_number = sum_of_block(no_number, room);
  if (thread < known && no_number == 0) {
    int rank = 0;  // how many come before it, of equal ones those with a lower index
    for (int i = 0; i < known; i++) rank += before[i] < before[thread] || (before[i] == before[thread] && i < thread);
    if (rank == (known - 1) / 2) middle[0] = before[thread];
    if (rank == known / 2) middle[1] = before[thread];
  }
  __syncthreads();
  if (thread) return;
  const bool is_outlier = known >= TO_JUDGE && no_number == 0 && length > numbers[4] * 0.5 * (middle[0] + middle[1]);
  const double t = steps[0] + 1;
  const bool is_number = length <= 1.7976931348623157e308;  // false for infinity and for what is no number
  if (is_number) {
    lengths[seen % REMEMBERED] = length;
    steps[0] += !is_outlier;
    steps[1] = seen + 1;
    steps[2] += is_outlier;
  }
  decision[0] = length > numbers[3] ? numbers[3] / length : 1;
  decision[1] = 1 / (1 - pow(numbers[0], t));
  decision[2] = 1 / (1 - pow(numbers[1], t));
  decision[3] = is_number && !is_outlier;
}

extern "C" __global__ void flat_adam(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, float* __restrict__ v,
    float* __restrict__ average, const unsigned char* __restrict__ group, const double* __restrict__ numbers,
    const double* __restrict__ decision, int count, int averaged) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count || decision[3] == 0) return;
  const float beta1 = numbers[0], beta2 = numbers[1], less1 = 1 - numbers[0], less2 = 1 - numbers[1], epsilon = numbers[2];
  const float rate = numbers[NUMBERS + group[i]] * decision[1], correction = decision[2];
  const float clipped = g[i] * (float)decision[0];
  const float m_new = beta1 * m[i] + less1 * clipped, v_new = beta2 * v[i] + less2 * (clipped * clipped);
  m[i] = m_new;
  v[i] = v_new;
  const float p_new = p[i] - rate * m_new / (sqrtf(correction * v_new) + epsilon);
  p[i] = p_new;
  if (i < averaged) average[i] += (p_new - average[i]) * (float)numbers[5];
}
