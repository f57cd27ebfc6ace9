"""The compiled kernels against float64 and against their plain twin.

Without Numba's compiler (NUMBA_DISABLE_JIT=1) the kernels are plain loops: fewer points then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import unequal
from rates import (
    NoisyRate,
    conditional_rate,
    noisy_rate,
    noisy_rate_compiled,
    noisy_rate_plain,
)

from npuq.backend import Array
from npuq.errors import SettingError
from npuq.kernels.cpu import cdf_network, elementary
from npuq.kernels.cpu import noisy_rate as cpu
from npuq.models.conditional_rate import (
    conditional_rate_backward_straight_through,
    conditional_rate_forward,
)
from npuq.models.noisy_rate import Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.soft_round import soft_round
from npuq.runtime.compile import use_reference
from npuq.runtime.threads import for_each_range, map_in_threads, thread_count

COMPILED = not numba.config.DISABLE_JIT
SOFTNESS = [
    Softness(),
    Softness(7.0, 16.0),
    Softness(16.0, 16.0, expected_rate=True, expected_distortion=True),
    Softness(1.0, 1.0, expected_rate=True),
    Softness(0.0, 7.0, expected_distortion=True),
]


@numba.njit
def tanh_of_each(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = elementary.tanh(x[i])


def float32_numbers(count: int) -> Array:
    """Evenly spread over the bit patterns of positive normal numbers."""
    lowest, highest = np.array([np.finfo(np.float32).tiny, np.finfo(np.float32).max], np.float32)
    bits = np.linspace(lowest.view(np.int32), highest.view(np.int32), count)
    return bits.astype(np.int32).view(np.float32)


def test_tanh_to_its_documented_error() -> None:
    x = float32_numbers(300_000 if COMPILED else 2_000)
    dense = np.linspace(0, 12, 300_000 if COMPILED else 2_000, dtype=np.float32)
    x = np.concatenate([x, -x, dense, -dense])
    y = np.empty_like(x)
    with np.errstate(over="ignore"):
        tanh_of_each(x, y)
    truth = np.tanh(x.astype(np.float64))
    assert np.all(abs(y - truth) <= 4e-7 * abs(truth))
    assert np.all(abs(y) <= 1)


def test_log_to_its_documented_error() -> None:
    x = float32_numbers(300_000 if COMPILED else 2_000)
    dense = np.linspace(0.5, 2, 300_000 if COMPILED else 2_000, dtype=np.float32)
    x = np.concatenate([x, dense])
    y = x.copy()
    elementary.log_in_place(y, np.empty_like(y))
    truth = np.log(x.astype(np.float64))
    assert np.all(abs(y - truth) <= 3e-7 * np.maximum(1, abs(truth)))


@pytest.mark.parametrize("alpha", [0.01, 2.0, 16.0, 80.0])
def test_soft_rounding_to_its_documented_error(alpha: float) -> None:
    y = np.random.default_rng(0).uniform(-1, 1, 10_000 if COMPILED else 500)
    y = np.concatenate([y, 70 * y, 1e4 * y]).astype(np.float32)
    s, slope = np.empty_like(y), np.empty_like(y)
    cpu._soft_round(y, alpha, s, slope)
    error = abs(s - soft_round(y.astype(np.float64), alpha))
    assert np.all(error <= np.maximum(1e-6, 2 * np.spacing(abs(y))) * max(1, alpha / 2))


def case(
    n: int, widths: tuple[int, ...] = (3, 3, 3), channels: int = 2, seed: int = 0
) -> tuple[Array, Array, NonparametricParams]:
    rng = np.random.default_rng(seed)
    density = unequal.density(rng, channels, widths=widths, init_scale=2.0)
    y = rng.normal(0, 3, (channels, n)).astype(np.float32)
    u = (rng.random((channels, n)) - 0.5).astype(np.float32)
    return y, u, density


def wide(density: NonparametricParams) -> NonparametricParams:
    arrays = {name: array.astype(np.float64) for name, array in named_arrays(density).items()}
    return with_arrays(density, arrays)


def in_float64(y: Array, u: Array, density: Any, softness: Softness) -> NoisyRate:
    # z = s + u is rounded to float32 in the kernel; the reference gets the same noise.
    y, u = y.astype(np.float64), u.astype(np.float64)
    return noisy_rate_plain(y, u, wide(density), softness)


def assert_close(actual: NoisyRate, expected: NoisyRate, steepness: float) -> None:
    """Relative l2 errors of float32, which the steep r_alpha magnifies."""
    pairs = zip(named_arrays(actual).items(), named_arrays(expected).values(), strict=True)
    for (name, ours), reference in pairs:
        assert ours.shape == reference.shape, name
        # d_y is a difference of bits, and so never better than an ulp of a bit or some.
        size = np.linalg.norm(reference) + (0.1 * np.sqrt(reference.size) if name == "d_y" else 0)
        error = np.linalg.norm(ours - reference) / size
        bound = 3e-6 * steepness if name in ("d_y", "dr_dy") else 1e-5
        assert error < bound, (name, error)


@pytest.mark.parametrize("softness", SOFTNESS, ids=str)
def test_kernel_agrees_with_its_plain_twin_in_float64(softness: Softness) -> None:
    y, u, density = case(300 if COMPILED else 40)
    # Keep z a little away from half-integers, where the slope of r is sinh(alpha)/alpha and of
    # a width e^-alpha: float32 cannot say where in it a coefficient lies.
    s = soft_round(y.astype(np.float64), softness.alpha)
    z = s + u
    near = abs(z - np.floor(z) - 0.5) < 0.01
    u = np.where(near & (u > 0), u - np.float32(0.03), np.where(near, u + np.float32(0.03), u))
    assert_close(
        noisy_rate_compiled(y, u, density, softness), in_float64(y, u, density, softness), 30
    )


@pytest.mark.parametrize("n", [1, 255, 256, 257])
def test_kernel_at_the_edges_of_its_blocks(n: int) -> None:
    softness = Softness(2.0, 2.0, expected_rate=True)
    if not COMPILED and n > 1:
        pytest.skip("takes long without the compiler")
    y, u, density = case(n, channels=1)
    assert_close(
        noisy_rate_compiled(y, u, density, softness), in_float64(y, u, density, softness), 10
    )


@pytest.mark.parametrize("widths", [(2,), (4, 5), ()])
def test_other_widths_than_the_kernels_are_computed_all_the_same(widths: tuple[int, ...]) -> None:
    softness = Softness(2.0, 2.0, expected_rate=True)
    y, u, density = case(257, widths, channels=1)
    ours = noisy_rate(y, u, density, softness)
    assert_close(ours, in_float64(y, u, density, softness), 10)


def test_kernel_without_coefficients() -> None:
    y, u, density = case(0)
    result = noisy_rate_compiled(y, u, density, Softness(7.0, 7.0))
    assert result.r.shape == (2, 0)
    np.testing.assert_array_equal(result.bits, 0)
    assert all(np.all(d == 0) for group in result.d_density for d in group)


@pytest.mark.parametrize("softness", SOFTNESS, ids=str)
def test_kernel_is_finite_far_out(softness: Softness) -> None:
    _, _, density = case(1)
    y = np.array([[-1e5, -1e3, 0.0, 0.5, 1.0, 1e3, 1e5 + 0.25]] * 2, np.float32)
    u = np.array([[0.0, -0.5, 0.5, 0.0, -0.5, 0.25, 0.1]] * 2, np.float32)
    result = noisy_rate_compiled(y, u, density, softness)
    for name, array in named_arrays(result).items():
        assert np.all(np.isfinite(array)), name
    expected = in_float64(y, u, density, softness)
    np.testing.assert_allclose(result.bits, expected.bits, rtol=1e-5)


def test_gradients_far_out_are_those_of_the_tail() -> None:
    """Where both ends of the interval have one float32 logit, the slope of the tail is left."""
    _, _, density = case(1)
    y, u = np.array([[-3e7, 3e7]] * 2, np.float32), np.zeros((2, 2), np.float32)
    found = noisy_rate_compiled(y, u, density, Softness()).d_y
    expected = in_float64(y, u, density, Softness()).d_y
    assert np.abs(expected).min() > 1e-3
    # the slope is that of the network's last pieces, a product of some ten numbers
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_threads_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: each channel is one thread's work."""
    y, u, density = case(140 if COMPILED else 3, channels=9)
    several = named_arrays(noisy_rate_compiled(y, u, density, Softness(7.0, 7.0)))
    for parts in (1, 2, 9):

        def in_parts(function: Any, size: int, parts: int = parts) -> None:
            edges = [size * i // parts for i in range(parts + 1)]
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                function(start, stop)

        monkeypatch.setattr(cpu, "for_each_range", in_parts)
        for name, array in named_arrays(
            noisy_rate_compiled(y, u, density, Softness(7.0, 7.0))
        ).items():
            np.testing.assert_array_equal(array, several[name], err_msg=name)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [0, 1, 2, 7, 192])
def test_ranges_cover_everything_once(
    monkeypatch: pytest.MonkeyPatch, threads: int, size: int
) -> None:
    monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda: threads)
    counts = np.zeros(size, int)

    def count(start: int, stop: int) -> None:
        counts[start:stop] += 1

    for_each_range(count, size)
    np.testing.assert_array_equal(counts, 1)


def test_an_error_in_a_thread_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda: 2)

    def fail(start: int, stop: int) -> None:
        raise ArithmeticError(f"{start} {stop}")

    with pytest.raises(ArithmeticError):
        for_each_range(fail, 8)
    assert thread_count() >= 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_jobs(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda: threads)
    assert map_in_threads(lambda job: job * job, range(20)) == [i * i for i in range(20)]
    assert map_in_threads(lambda job: job, []) == []


def test_the_first_error_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda: 2)
    done = []

    def work(job: int) -> None:
        if job == 3:
            raise ArithmeticError(job)
        time.sleep(0.001)
        done.append(job)

    with pytest.raises(ArithmeticError):
        map_in_threads(work, range(1000))
    assert len(done) < 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_gets_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda: 2)
    for_each_range(lambda start, stop: None, 8)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(10)  # what ends a child that waits for threads that it has not got
            for_each_range(lambda start, stop: None, 8)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_environment_sets_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPUQ_THREADS", raising=False)
    cores = thread_count()
    for setting, threads in [("", cores), ("1", 1), ("64", 64)]:
        monkeypatch.setenv("NPUQ_THREADS", setting)
        assert thread_count() == threads
    for setting in ("0", "-1", "2.5", "all"):
        monkeypatch.setenv("NPUQ_THREADS", setting)
        with pytest.raises(SettingError, match="NPUQ_THREADS must be a positive integer"):
            thread_count()


def test_the_environment_has_no_third_kind_of_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    for setting, plain in [("", False), ("fast", False), ("reference", True)]:
        monkeypatch.setenv("NPUQ_KERNELS", setting)
        assert use_reference() == plain
    for setting in ("foo", "Reference", "1", " fast"):
        monkeypatch.setenv("NPUQ_KERNELS", setting)
        with pytest.raises(SettingError, match="NPUQ_KERNELS must be fast or reference"):
            use_reference()


def test_the_environment_chooses_the_plain_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = cpu._channels

    def counted(*args: Any) -> Any:
        calls.append("kernel")
        return real(*args)

    monkeypatch.setattr(cpu, "_channels", counted)
    monkeypatch.setenv("NPUQ_THREADS", "1")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")  # which would ask for the plain twin too
    y, u, density = case(3)
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    assert use_reference()
    plain = noisy_rate(y, u, density, Softness())
    assert not calls
    monkeypatch.setenv("NPUQ_KERNELS", "fast")
    fast = noisy_rate(y, u, density, Softness())
    assert calls == ["kernel"]
    np.testing.assert_allclose(fast.bits, plain.bits, rtol=1e-5)
    # float64 anywhere, and softness that float32 cannot follow, always take the plain twin
    for alpha in (1e-6, 100.0, np.inf):
        noisy_rate(y, u, density, Softness(alpha, 7.0))
        noisy_rate(y, u, density, Softness(7.0, alpha))
    noisy_rate(y.astype(np.float64), u, density, Softness())
    noisy_rate(y, u.astype(np.float64), density, Softness())
    noisy_rate(y, u, wide(density), Softness())
    assert calls == ["kernel"]
    # numbers of NumPy are numbers
    noisy_rate(y, u, density, Softness(np.float64(7.0), np.float32(80.0)))
    assert calls == ["kernel"] * 2


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_the_softness_of_r_is_that_of_s_where_none_is_given(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a density and for residuals, by kernel and twin."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    assert Softness(16.0).alphas() == (16.0, 16.0) != Softness(16.0, 0.0).alphas() == (16.0, 0.0)
    assert Softness().alphas() == (0.0, 0.0)
    y, u, density = case(20)
    for alpha in (0.0, 7.0):
        for function, third in ((noisy_rate, density), (conditional_rate, abs(y) + 1)):
            given, following, other = (
                named_arrays(function(y, u, third, softness))
                for softness in (Softness(alpha, alpha), Softness(alpha), Softness(alpha, 3.0))
            )
            for name, array in given.items():
                np.testing.assert_array_equal(following[name], array, err_msg=name)
            assert np.any(other["r"] != given["r"])


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_arguments_that_do_not_fit_are_refused(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    y, u, density = case(5)
    function = noisy_rate
    for bad_y, bad_u in [(y, u[:, :4]), (y[:1], u[:1]), (np.tile(y, (2, 1)), np.tile(u, (2, 1)))]:
        with pytest.raises(ValueError, match=r"\(2, n\).*not \(\d, 5\) and \(\d, [45]\)"):
            function(bad_y, bad_u, density, Softness())
    with pytest.raises(ValueError, match=r"not \(2, 5, 1\)"):
        function(y[..., None], u[..., None], density, Softness())
    for alpha in (-1.0, np.nan):
        with pytest.raises(ValueError, match="alpha must"):
            function(y, u, density, Softness(alpha, 1.0))
        with pytest.raises(ValueError, match="alpha_r must"):
            function(y, u, density, Softness(1.0, alpha))


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_gradients_that_do_not_fit_are_refused(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which NumPy would repeat for all channels or coefficients."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    y, u, density = case(5)
    r, bits, kept = noisy_rate_forward(y, u, density, Softness())
    for d_r, d_bits in [(r[:1], bits), (r[:, :1], bits), (r, bits[:1]), (r, r)]:
        with pytest.raises(ValueError, match=r"shapes of r and of the bits, \(2, 5\) and \(2,\)"):
            noisy_rate_backward(d_r, d_bits, kept)
    r, bits, kept = conditional_rate_forward(y, u, abs(y) + 1, Softness())
    for d_r, d_bits in [(r[:1], bits), (r, bits[:, :1])]:
        with pytest.raises(ValueError, match=r"shape of the residuals, \(2, 5\), not"):
            conditional_rate_backward_straight_through(d_r, d_bits, kept)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.01, 80.0])
def test_float32_is_good_at_the_ends_of_softness(alpha: float) -> None:
    """Whichever twin is taken: r to 2e-5, where 0.01 and float32 leave 1e-7 / 0.01 = 1e-5."""
    y, u, density = case(300 if COMPILED else 20)
    r = noisy_rate(y, u, density, Softness(0.0, alpha)).r
    expected = in_float64(y, u, density, Softness(0.0, alpha)).r
    # Near half-integers the steep r_80 says nothing about float32's formulas.
    clear = abs((y + u) % 1 - 0.5) > 0.01
    np.testing.assert_allclose(r[clear], expected[clear], atol=2e-5, rtol=1e-6)


def test_packing_is_undone_by_its_gradient() -> None:
    """Each packed weight's gradient arrives at the parameter that it came from."""
    _, _, density = case(1, (2, 4))
    packed = cdf_network.packed(density)
    assert packed.dtype == np.float32
    direction = np.random.default_rng(1).standard_normal(packed.shape).astype(np.float32)
    gradients = cdf_network.packed_backward(direction, density)
    step = 1e-2
    for name, array in named_arrays(density).items():
        moved = {n: a + (step if n == name else 0) for n, a in named_arrays(density).items()}
        less = {n: a - (step if n == name else 0) for n, a in named_arrays(density).items()}
        up, down = (cdf_network.packed(with_arrays(density, d)) for d in (moved, less))
        slope = float(((up - down) * direction).sum()) / (2 * step)
        # float32 differences over a step of 1e-2: 1e-4
        assert slope == pytest.approx(
            float(named_arrays(gradients)[name].sum()), rel=1e-2, abs=3e-3
        )
        assert named_arrays(gradients)[name].shape == array.shape


BITS = """
import hashlib, numpy as np
from npuq.models.noisy_rate import Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays
rng = np.random.default_rng(0)
y, u = rng.normal(size=(3, 300)).astype("f"), rng.random((3, 300), "f") - np.float32(0.5)
density = nonparametric.init(rng, 3, init_scale=1.0)
r, bits, kept = noisy_rate_forward(y, u, density, Softness(7.0, 7.0, True, True))
found = r, bits, noisy_rate_backward(np.ones_like(r), np.ones_like(bits), kept)
print(hashlib.sha256(b"".join(a.tobytes() for a in named_arrays(found).values())).hexdigest())
"""


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled")
def test_bits_do_not_depend_on_numbas_cache(tmp_path: Path) -> None:
    """Compiled in this process or loaded from the disk: the same machine code must run."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled, loaded = (
        subprocess.run(
            [sys.executable, "-c", BITS],
            env=environment,
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    )
    assert compiled == loaded
