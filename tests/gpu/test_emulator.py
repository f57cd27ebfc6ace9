"""The emulator by faults that are planted in kernels: all are found, and sound kernels pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu.emulator import COMPILER, RawModule

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler (g++ or c++)")

f, i = np.float32, np.int32


def launch(code: str, *args: Any, grid: int = 2, block: int = 64, name: str = "k") -> None:
    RawModule(code=code).get_function(name)((grid,), (block,), args)


def with_fault(code: str, sound: str, faulty: str) -> str:
    """The text with a fault in the place of what is sound, which stands there once."""
    assert code.count(sound) == 1
    return code.replace(sound, faulty)


# Each block adds up its numbers in shared memory: y[block] = sum of x[64 block ...].
SUM = """
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float room[64];
  const int thread = threadIdx.x, at = blockIdx.x * blockDim.x + thread;
  room[thread] = at < n ? x[at] : 0.f;
  __syncthreads();
  for (int half = 32; half; half /= 2) {
    if (thread < half) room[thread] += room[thread + half];
    __syncthreads();  // of the loop
  }
  if (thread == 0) y[blockIdx.x] = room[0];
}
"""
SUM_FAULTS = {
    "missing barrier": ("  __syncthreads();\n  for", "  for", "race"),
    "missing barrier in the loop": ("    __syncthreads();  // of the loop\n", "", "race"),
    "divergent barrier": (
        "    __syncthreads();  // of the loop",
        "    if (thread < half) __syncthreads();",
        "barrier that only some",
    ),
    "two barriers for one": (
        "  __syncthreads();\n  for",
        "  if (thread < 32)\n    __syncthreads();\n  else\n    __syncthreads();\n  for",
        "barrier that only some",
    ),
    "uninitialised shared memory": (
        "  room[thread] = at < n ? x[at] : 0.f;",
        "  if (at < n) room[thread] = x[at];",
        "nan",
    ),
    "read beyond by one": ("at < n ?", "at <= n ?", r"reached beyond its arrays \(x\)"),
    "write beyond by one": ("y[blockIdx.x] =", "y[blockIdx.x + 1] =", "reached beyond its arrays"),
    "write before": ("y[blockIdx.x] =", "y[(int)blockIdx.x - 1] =", "wrote beside y"),
    "index beyond shared memory": ("room[thread + half]", "room[thread + half + 1]", "fixed size"),
    "all blocks to one place": ("y[blockIdx.x] =", "y[0] =", "race"),
    "a wild address": ("y[blockIdx.x] =", "y[blockIdx.x + (1ll << 45)] =", "reached beyond"),
    "too much shared memory": ("float room[64]", "float room[64 * 200]", "48 KiB"),
    "a sum that overflows": ("at < n ?", "at + n + 2147483600 < n ?", "overflow"),
}


def run_sum(code: str) -> None:
    x = np.random.default_rng(0).standard_normal(100).astype(f)
    y = np.full(2, np.nan, f)
    launch(code, x, y, i(100))
    assert np.isfinite(y).all(), "nan"
    np.testing.assert_allclose(y, [x[:64].sum(), x[64:].sum()], rtol=1e-5)


def test_a_sum_in_shared_memory() -> None:
    run_sum(SUM)


@pytest.mark.parametrize("name", SUM_FAULTS)
def test_faults_with_shared_memory_are_found(name: str) -> None:
    sound, faulty, says = SUM_FAULTS[name]
    with pytest.raises((RuntimeError, AssertionError), match=says):
        run_sum(with_fault(SUM, sound, faulty))


# The same within warps: y[warp] = sum of its lanes, and the neighbour's number through memory.
WARP = """
extern "C" __global__ void k(const float* x, float* y) {
  __shared__ float room[64];
  const int thread = threadIdx.x;
  room[thread] = x[thread];
  __syncwarp();
  float total = room[thread ^ 1];
  for (int bits = 16; bits; bits /= 2) total += __shfl_xor_sync(0xFFFFFFFFu, total, bits);
  if (thread % 32 == 0) y[thread / 32] = total;
}
"""
WARP_FAULTS = {
    "missing barrier": ("  __syncwarp();\n", "", "nan"),
    "a shuffle of half a warp": ("float total", "if (thread >= 48) return; float total", "barrier"),
    "between warps": ("room[thread ^ 1]", "room[thread ^ 32]", "race"),
}


def run_warp(code: str) -> None:
    x, y = np.random.default_rng(1).standard_normal(64).astype(f), np.full(2, np.nan, f)
    launch(code, x, y, grid=1)
    assert np.isfinite(y).all(), "nan"
    np.testing.assert_allclose(y, x.reshape(2, 32).sum(1), rtol=1e-4)


def test_a_sum_in_warps() -> None:
    run_warp(WARP)


@pytest.mark.parametrize("name", WARP_FAULTS)
def test_faults_in_warps_are_found(name: str) -> None:
    sound, faulty, says = WARP_FAULTS[name]
    with pytest.raises((RuntimeError, AssertionError), match=says):
        run_warp(with_fault(WARP, sound, faulty))


# Asynchronous copies in two stages: y = 2 x, where each thread reads what its neighbour fetched.
COPIES = """
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float room[2][64 * 4];
  const int thread = threadIdx.x;
  copy16_async(&room[0][4 * thread], x + 4 * thread, true);
  copies_commit();
  for (int stage = 0; stage < n; stage++) {
    const float* next = x + 256 * (stage + 1) + 4 * thread;
    if (stage + 1 < n) copy16_async(&room[(stage + 1) % 2][4 * thread], next, true);
    copies_commit();
    copies_wait<1>();
    __syncthreads();  // fetched
    for (int j = 4 * thread; j < 4 * thread + 4; j++)
      y[256 * stage + j] = 2.f * room[stage % 2][(j + 4) % 256];
    __syncthreads();  // read
  }
  copies_wait<0>();
}
"""
COPY_FAULTS = {
    "not waited for": ("copies_wait<1>()", "copies_wait<2>()", "race|nan"),
    "read by others too early": ("    __syncthreads();  // fetched\n", "", "race|nan"),
    "overwritten too early": ("    __syncthreads();  // read\n", "", "race|nan"),
    "left open": ("  copies_wait<0>();\n", "", "before its asynchronous copies"),
    "at no multiple of 16": (
        "&room[0][4 * thread], x + 4",
        "&room[0][4 * thread], x + 1 + 4",
        "16",
    ),
}


def run_copies(code: str) -> None:
    x, y = np.random.default_rng(2).standard_normal(768).astype(f), np.full(768, np.nan, f)
    launch(code, x, y, i(3), grid=1)
    assert np.isfinite(y).all(), "nan"
    expected = 2 * np.roll(x.reshape(3, 256), -4, axis=1).reshape(-1)
    np.testing.assert_array_equal(y, expected)


def test_copies_in_stages() -> None:
    run_copies(COPIES)


@pytest.mark.parametrize("name", COPY_FAULTS)
def test_faults_with_copies_are_found(name: str) -> None:
    sound, faulty, says = COPY_FAULTS[name]
    with pytest.raises((RuntimeError, AssertionError), match=says):
        run_copies(with_fault(COPIES, sound, faulty))


SCALE = """
extern "C" __global__ void k(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < n) y[at] = a * x[at];
}
"""


def test_arguments_are_those_that_the_kernel_declares() -> None:
    x, y = np.arange(8, dtype=f), np.zeros(8, f)
    launch(SCALE, x, y, f(3), i(8))
    np.testing.assert_array_equal(y, 3 * x)
    sound: tuple[Any, ...] = (x, y, f(3), i(8))
    wrong = [
        (0, x.astype(np.float64), "x must be float32"),
        (0, x[::2], "x must be contiguous"),
        (0, 1.0, "x must be an array"),
        (1, x, "share memory"),
        (2, 3.0, "a must be a numpy.float32, not float"),
        (2, np.float64(3), "a must be float32"),
        (3, 8, "n must be a numpy.int32, not int"),
        (3, np.int64(8), "n must be int32"),
    ]
    for at, value, says in wrong:
        args = tuple(value if k == at else a for k, a in enumerate(sound))
        with pytest.raises(TypeError, match=says):
            launch(SCALE, *args)
    with pytest.raises(TypeError, match="takes 4 arguments, not 3"):
        launch(SCALE, *sound[:3])


def test_what_is_const_stays_as_it_was() -> None:
    writes = with_fault(SCALE, "y[at] = a * x[at]", "((float*)x)[at] = a")
    with pytest.raises(RuntimeError, match="wrote to x, which is const"):
        launch(writes, np.arange(8, dtype=f), np.zeros(8, f), f(3), i(8))


def test_grids_that_no_gpu_takes_are_refused() -> None:
    args = np.zeros(8, f), np.zeros(8, f), f(3), i(8)
    for grid, block in ((0, 64), (1, 2048), (1, 0)):
        with pytest.raises(ValueError, match="no GPU takes a grid"):
            launch(SCALE, *args, grid=grid, block=block)


def test_atomic_sums_of_floats_do_not_compile() -> None:
    code = 'extern "C" __global__ void k(KIND* y) { atomicAdd(y, (KIND)1); }'
    y = np.zeros(1, i)
    launch(code.replace("KIND", "int"), y)
    assert y[0] == 128
    for kind, dtype in (("float", f), ("double", np.float64)):
        with pytest.raises(RuntimeError, match="sums of floats in an order that chance makes"):
            launch(code.replace("KIND", kind), np.zeros(1, dtype))


def test_tensor_cores_multiply_ten_bits() -> None:
    """Of a product of 16 x 8 and 8 x 8 matrices in TF32, by the places that PTX gives its lanes."""
    code = """
    extern "C" __global__ void k(const float* a, const float* b, float* d) {
      const int g = threadIdx.x / 4, t = threadIdx.x % 4;
      unsigned x[4], y[2];
      for (int i = 0; i < 4; i++) x[i] = to_tf32(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
      for (int i = 0; i < 2; i++) y[i] = to_tf32(b[(t + 4 * i) * 8 + g]);
      float sums[4] = {0, 0, 0, 0};
      mma_tf32(sums, x, y);
      for (int i = 0; i < 4; i++) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
    }
    """
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((16, 8)).astype(f), rng.standard_normal((8, 8)).astype(f)
    d = np.full((16, 8), np.nan, f)
    launch(code, a, b, d, grid=1, block=32)
    exact = a.astype(np.float64) @ b
    error = np.abs(d - exact).max()
    assert 1e-5 < error < 8 * 2.0**-10 * np.abs(a).max() * np.abs(b).max()
    rounded = [(x.view(np.uint32) + 0x1000 & 0xFFFFE000).astype(np.uint32).view(f) for x in (a, b)]
    np.testing.assert_allclose(d, rounded[0] @ rounded[1], rtol=1e-5, atol=1e-5)


def test_rounding_apart_is_never_fused() -> None:
    code = """
    extern "C" __global__ void k(const double* x, double* y) {
      y[0] = __dadd_rn(__dmul_rn(x[0], x[0]), x[1]);
    }
    """
    a = 1 + 2.0**-30
    x, y = np.array([a, -(a * a)]), np.full(1, np.nan)
    launch(code, x, y, grid=1, block=1)
    assert y[0] == 0  # a fused one would leave 2^-60
