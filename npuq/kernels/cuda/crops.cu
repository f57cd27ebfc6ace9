// Crops of resized photographs, number for number those of Pillow (bicubic, widened by the factor of reduction, weights
// in fixed point, 22 bits behind the point; each axis rounded to bytes); the plain twin is npuq.training.crops.
//
// Rows are resized first, as Pillow does where proportions are kept. Where a height is reduced much more than a width,
// Pillow 13 begins with columns, and rounds some bytes otherwise; no training does that.
//
// Along an axis a pixel of a crop is a sum of up to `room` pixels of the photograph. Weights are computed in float64,
// each operation rounded by itself: fused ones would differ from Pillow's in the last bit, and now and then in a pixel.
#define BITS 22
#define FIELDS 7  // of a choice: photograph, height, width, top, left, mirrored, turns

__device__ __forceinline__ double add(double a, double b) { return __dadd_rn(a, b); }
__device__ __forceinline__ double mul(double a, double b) { return __dmul_rn(a, b); }

__device__ double bicubic(double x) {
  x = fabs(x);
  if (x < 1) return add(mul(mul(add(mul(1.5, x), -2.5), x), x), 1);
  if (x < 2) return mul(add(mul(add(mul(add(x, -5), x), 8), x), -4), -0.5);
  return 0;
}

// The weights of pixel i of a crop along an axis (0 rows, 1 columns), one thread each.
// spans (B, 2, crop, 2): the first pixel of the photograph, and how many; weights (B, 2, crop, room)
extern "C" __global__ void weights_of_crops(
    const int* __restrict__ choices, const int* __restrict__ shapes, int* __restrict__ spans, int* __restrict__ weights,
    int B, int crop, int room) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= B * 2 * crop) return;
  const int i = at % crop, axis = at / crop % 2;
  const int* choice = choices + at / crop / 2 * FIELDS;
  const int old = shapes[2 * choice[0] + axis], size = choice[1 + axis], start = choice[3 + axis], count = min(crop, size);
  spans[2 * at] = spans[2 * at + 1] = 0;
  if (i >= count) return;  // the crop is continued by reflection there
  // what is cut out of the photograph before it is resized, with a margin as wide as the filter reaches
  const double scale = (double)old / size, begin = mul(start, scale), end = min(mul(start + count, scale), (double)old);
  const double margin = add(mul(2, scale), 1);
  const int first = max((int)add(begin, -margin), 0), stop = min((int)add(end, margin) + 1, old), length = stop - first;
  const float box_begin = (float)add(begin, -first), box_end = (float)min(add(end, -first), (double)length);
  // Pillow's own
  const double step = (double)__fsub_rn(box_end, box_begin) / count, wide = max(step, 1.0), support = mul(2, wide), narrow = 1 / wide;
  const double center = add(box_begin, mul(i + 0.5, step));
  const int low = max((int)add(add(center, -support), 0.5), 0), taps = min((int)add(add(center, support), 0.5), length) - low;
  double total = 0;
  for (int k = 0; k < taps; k++) total = add(total, bicubic(mul(add(add(k + low, -center), 0.5), narrow)));
  spans[2 * at] = first + low;
  spans[2 * at + 1] = min(taps, room);
  for (int k = 0; k < min(taps, room); k++) {
    double weight = bicubic(mul(add(add(k + low, -center), 0.5), narrow));
    if (total != 0) weight = weight / total;
    const double scaled = mul(weight, 1 << BITS);
    weights[at * room + k] = (int)add(weight < 0 ? -0.5 : 0.5, scaled);
  }
}

__device__ __forceinline__ unsigned char rounded(int sum) { return (unsigned char)min(max(sum >> BITS, 0), 255); }

// Along rows: lines (B, height, crop, 3), of the photograph's rows from the first that the crop needs
extern "C" __global__ void resize_rows(
    const unsigned char* __restrict__ pixels, const long long* __restrict__ starts, const int* __restrict__ shapes,
    const int* __restrict__ choices, const int* __restrict__ spans, const int* __restrict__ weights, unsigned char* __restrict__ lines,
    int crop, int room, int height, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const int channel = at % 3, x = at / 3 % crop, line = at / 3 / crop % height, b = at / 3 / crop / height;
  const int* choice = choices + b * FIELDS;
  const int *down = spans + 4 * b * crop, *across = spans + (4 * b + 2) * crop + 2 * x;
  const int last = min(crop, choice[1]) - 1, row = down[0] + line;
  if (row >= down[2 * last] + down[2 * last + 1] || x >= min(crop, choice[2])) return;
  const unsigned char* from = pixels + starts[choice[0]] + 3 * ((long long)row * shapes[2 * choice[0] + 1] + across[0]) + channel;
  const int* weight = weights + ((2 * b + 1) * crop + x) * room;
  int sum = 1 << (BITS - 1);
  for (int k = 0; k < across[1]; k++) sum += from[3 * k] * weight[k];
  lines[at] = rounded(sum);
}

// Along columns: crops (B, crop, crop, 3), continued by reflection, mirrored and turned
extern "C" __global__ void resize_columns(
    const unsigned char* __restrict__ lines, const int* __restrict__ choices, const int* __restrict__ spans,
    const int* __restrict__ weights, unsigned char* __restrict__ crops, int crop, int room, int height, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const int channel = at % 3, b = at / 3 / crop / crop, end = crop - 1;
  int x = at / 3 % crop, y = at / 3 / crop % crop;
  const int* choice = choices + b * FIELDS;
  for (int turn = 0; turn < choice[6]; turn++) {  // counterclockwise: what is at (y, x) comes from (x, end - y)
    const int from = y;
    y = x;
    x = end - from;
  }
  if (choice[5]) x = end - x;
  const int rows = min(crop, choice[1]), columns = min(crop, choice[2]);
  y = y % (2 * rows) < rows ? y % (2 * rows) : 2 * rows - 1 - y % (2 * rows);
  x = x % (2 * columns) < columns ? x % (2 * columns) : 2 * columns - 1 - x % (2 * columns);
  const int *down = spans + 4 * b * crop, *span = down + 2 * y;
  const int* weight = weights + (2 * b * crop + y) * room;
  int sum = 1 << (BITS - 1);
  for (int k = 0; k < span[1]; k++) {
    const int line = span[0] - down[0] + k;
    sum += lines[(((long long)b * height + line) * crop + x) * 3 + channel] * weight[k];
  }
  crops[at] = rounded(sum);
}
