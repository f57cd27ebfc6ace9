"""Every fast twin is the plain function of its name: signature, docstring and values.

Pairs are found, not listed: what `@takes` marks under `npuq.kernels.cpu`, and what `@has_twins`
marks anywhere. `CASES` says with which arguments each is tried, and how far apart they may be.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import unequal
from models import picture, tiny_factorized, tiny_hyperprior, tiny_model

import npuq
import npuq.kernels.cpu
import npuq.kernels.cuda
from npuq.codec.files import compress, decompress
from npuq.coding.intervals import MOST_INTERVALS
from npuq.coding.tables import TOTAL, assemble_tables, knot_counts
from npuq.models.conditional_rate import conditional_rate_forward
from npuq.models.noisy_rate import Softness, noisy_rate_forward
from npuq.runtime import twins
from npuq.runtime.compile import use_reference
from npuq.runtime.twins import arrays_in, twin_of

SINGLE = np.float32
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def modules(package: Any) -> Iterator[Any]:
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def functions_with(attribute: str, package: Any) -> dict[str, Any]:
    """Functions that have it, as "module.name", without the folders in which the module lies."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for module in modules(package)
        for name, function in vars(module).items()
        if hasattr(function, attribute) and function.__module__ == module.__name__
    }


FAST = functions_with("takes", npuq.kernels.cpu)
CUDA = functions_with("takes", npuq.kernels.cuda)
PLAIN = functions_with("plain", npuq)
PAIRS = pytest.mark.parametrize("name", sorted(FAST))


class Case(NamedTuple):
    """Arguments, fresh each time, and a tolerance relative to the largest number of each result."""

    make: Callable[[np.random.Generator], Arguments]
    tolerance: float


def normal(rng: np.random.Generator, *shape: int, dtype: Any = SINGLE) -> Any:
    return rng.standard_normal(shape).astype(dtype)


def convolution(dtype: Any, *names: str, **static: Any) -> Callable[..., Arguments]:
    """5 x 5 at stride 2, from 17 channels and 9 x 12 pixels to 16 and 5 x 6, or back."""
    shapes = {"x": (3, 9, 12, 17), "w": (16, 17, 5, 5), "bias": (16,), "y": (3, 5, 6, 16)}
    shapes |= {"back": (17,), "small": (16, 17, 3, 3)}  # a bias on the way back; 3 x 3

    def make(rng: np.random.Generator) -> Arguments:
        arrays = tuple(normal(rng, *shapes[name], dtype=dtype) for name in names)
        return arrays, {"stride": 2, "padding": 2, **static}

    return make


def gdn(*names: str) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator) -> Arguments:
        x = {name: 2 * normal(rng, 2, 5, 7, 6) for name in ("x", "d_y")}
        beta, gamma = rng.uniform(0.1, 1.1, 6), rng.uniform(0, 0.1, (6, 6))
        return (*(x[name] for name in names), beta.astype(SINGLE), gamma.astype(SINGLE)), {}

    return make


def channel(softness: Softness) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator) -> Arguments:
        u = rng.random((3, 300), SINGLE) - SINGLE(0.5)
        return (3 * normal(rng, 3, 300), u, unequal.density(rng, 3, init_scale=2.0), softness), {}

    return make


def residuals(softness: Softness) -> Callable[..., Arguments]:
    """Some scales are below their bound."""

    def make(rng: np.random.Generator) -> Arguments:
        t, u = 3 * normal(rng, 2, 3, 50), rng.random((2, 3, 50), SINGLE) - SINGLE(0.5)
        return (t, u, np.exp(normal(rng, 2, 3, 50)), softness), {}

    return make


def back(forward: Callable[..., Any], make: Callable[..., Arguments]) -> Callable[..., Arguments]:
    """Gradients of r and of the bits, and what the forward function keeps, each its own things."""

    def make_args(rng: np.random.Generator) -> Arguments:
        args, static = make(rng)
        r, bits, kept = forward(*args, **static)
        d_bits = rng.standard_normal(bits.shape).astype(bits.dtype)
        return (normal(rng, *r.shape), d_bits, kept), {}

    return make_args


def adam(rng: np.random.Generator) -> Arguments:
    p, g, m = (normal(rng, 3, 50) for _ in range(3))
    numbers = {"beta1": 0.9, "beta2": 0.99, "rate": 0.1, "epsilon": 1e-3}
    return (p, g, m, normal(rng, 3, 50) ** 2), numbers | {"correction1": 0.3, "correction2": 0.2}


def symbols(rng: np.random.Generator) -> Arguments:
    """Of two tables, with escapes on both sides; lower and upper have room for the worst case."""
    first, last, log2_knots = np.array([-1, -3]), np.array([2, -2]), np.array([0, 1])
    knots = [np.sort(rng.integers(1, TOTAL, n)) for n in knot_counts(first, last, log2_knots)]
    tables = assemble_tables(np.concatenate(knots), first, last, log2_knots)
    counts = np.array([40, 60], np.int64)
    k = rng.integers(-9, 9, 100).astype(np.int32)
    dither = rng.integers(0, 256, 100).astype(np.uint8)
    phases = np.sort(rng.integers(200, 65_000, 256)).astype(np.int64)
    room = (np.zeros(MOST_INTERVALS * 100, np.int32) for _ in range(2))
    return (k, dither, counts, phases, tables, *room), {}


def look_up(of: str) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator) -> Arguments:
        shape = 3, 4, 5
        n, table = rng.integers(0, 256, shape).astype(np.uint8), rng.random(256).astype(SINGLE)
        k = rng.integers(-99, 99, shape).astype(np.int32)
        return ((9 * normal(rng, *shape), n, table, k) if of == "y" else (k, n, table)), {}

    return make


SOFTNESS = {
    "sampled": Softness(2.0, 3.0),
    "expected": Softness(2.0, 3.0, True, True),
    "expected rate": Softness(2.0, 3.0, True),
    "expected distortion": Softness(2.0, 3.0, False, True),
    "s alone": Softness(2.0, 0.0),
}
# Sums of 425 products (in the gradient of kernels 90) in another order, and with Winograd's method
# of sums of them: some 10 roundings of 6e-8 of the largest.
SUMS, DOUBLE_SUMS = 2e-6, 2e-15
CASES = {
    "conv.conv2d": Case(convolution(SINGLE, "x", "w", "bias"), SUMS),
    "conv.conv2d/double": Case(convolution(float, "x", "w", "bias"), DOUBLE_SUMS),
    "conv.conv2d/no bias": Case(convolution(SINGLE, "x", "w"), SUMS),
    "conv.conv2d_input_gradient": Case(convolution(SINGLE, "y", "w", size=(9, 12)), SUMS),
    "conv.conv2d_input_gradient/double": Case(
        convolution(float, "y", "w", size=(9, 12)), DOUBLE_SUMS
    ),
    "conv.conv2d_kernel_gradient": Case(convolution(SINGLE, "y", "x", kernel=(5, 5)), SUMS),
    "conv.conv2d_kernel_gradient/double": Case(
        convolution(float, "y", "x", kernel=(5, 5)), DOUBLE_SUMS
    ),
    "conv.conv2d_bias_gradient": Case(lambda rng: ((normal(rng, 3, 5, 6, 16),), {}), SUMS),
    "conv.conv_transpose2d": Case(convolution(SINGLE, "y", "w", "back", output_padding=1), SUMS),
    "conv.conv_transpose2d/double": Case(
        convolution(float, "y", "w", "back", output_padding=1), DOUBLE_SUMS
    ),
    # the last row and column are the bias alone: no kernel of 3 reaches them
    "conv.conv_transpose2d/bias alone": Case(
        convolution(SINGLE, "y", "small", "back", padding=0, output_padding=1), SUMS
    ),
    # sums of 6 squares, of 70 pixels in gradients; roots and quotients by reciprocals
    "gdn.gdn": Case(gdn("x"), 3e-6),
    "gdn.gdn_backward": Case(gdn("d_y", "x"), 3e-6),
    "gdn.inverse_gdn": Case(gdn("x"), 3e-6),
    "gdn.inverse_gdn_backward": Case(gdn("d_y", "x"), 3e-6),
    # 1e-7 by slopes of r_3 up to 3, sums of 300; rates are differences of logits of some tens
    **{
        f"noisy_rate.noisy_rate_{way}/{name}": Case(make, 2e-5)
        for name, softness in SOFTNESS.items()
        for way, make in (
            ("forward", channel(softness)),
            ("backward", back(noisy_rate_forward, channel(softness))),
        )
    },
    **{
        f"conditional_rate.conditional_rate_{way}/{name}": Case(make, 2e-5)
        for name, softness in SOFTNESS.items()
        for way, make in (
            ("forward", residuals(softness)),
            ("backward_straight_through", back(conditional_rate_forward, residuals(softness))),
        )
    },
    "adam.adam_update": Case(adam, 3e-7),  # a handful of roundings, with products fused or not
    # integers, or floats of one rounding: nothing to tell apart
    "dither.dither_words": Case(
        lambda rng: ((3, 4, 5, 6, 7, 1, np.array([9, 8], np.uint32), 2), {}), 0
    ),
    "noise.uniform_noise": Case(
        lambda rng: ((np.array([9, 8, 2**32 - 1, 7], np.uint32), (3, 5, 7)), {}), 0
    ),
    "intervals.fill_intervals": Case(symbols, 0),
    "quantizer.look_up_symbols": Case(look_up("y"), 0),
    "quantizer.look_up_values": Case(look_up("k"), 0),
}


def test_each_twin_has_a_plain_function_and_a_case_and_the_other_way_round() -> None:
    assert FAST.keys() == {name.partition("/")[0] for name in CASES} <= PLAIN.keys()
    assert PLAIN.keys() == FAST.keys() | CUDA.keys()  # some have a twin for devices only
    assert len(FAST) >= 14 and len(CUDA) >= 20  # they were found


@PAIRS
def test_twins_have_one_signature(name: str) -> None:
    """Names, kinds and defaults; types may be told apart, where a twin knows less of them."""
    fast, plain = (
        [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        for function in (FAST[name], PLAIN[name].plain)
    )
    assert fast == plain


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_each_says_where_the_other_is(name: str) -> None:
    """A fast one in its first line the plain one's name, the plain one that there are others."""
    plain = PLAIN[name]
    for twin in filter(None, (FAST.get(name), CUDA.get(name))):
        first = str(inspect.getdoc(twin)).partition("\n")[0]
        assert f"`{plain.__module__}.{plain.__name__}`" in first, twin.__module__
    assert "twin" in plain.__doc__


@pytest.mark.skipif(use_reference(), reason="the plain functions compute")
@pytest.mark.parametrize("case", CASES)
def test_twins_compute_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, found = case.partition("/")[0], []
    for kernels in ("fast", "reference"):
        monkeypatch.setenv("NPUQ_KERNELS", kernels)
        args, static = CASES[case].make(np.random.default_rng(3))
        keeps_other_things = "_backward" in name and kernels == "reference"
        assert FAST[name].takes(args, static) or keeps_other_things
        function = FAST[name] if kernels == "fast" else PLAIN[name]
        result = function(*args, **static)
        result = np.array(result) if isinstance(result, int) else result
        if name.endswith("_forward"):
            result = result[:-1]  # without what it keeps
        written = [a for a in args if isinstance(a, np.ndarray)]
        found.append(arrays_in((result, written)))
    for ours, value in zip(*found, strict=True):
        assert ours.dtype == value.dtype and ours.shape == value.shape
        bound = CASES[case].tolerance * float(np.max(np.abs(value)))
        np.testing.assert_allclose(ours, value, rtol=0, atol=bound)


@pytest.mark.skipif(use_reference(), reason="the plain functions compute")
@pytest.mark.parametrize("make", [tiny_model, tiny_hyperprior, tiny_factorized])
def test_images_are_coded_by_the_fast_twins(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of a type that no twin takes would be no error, but slow: here one would notice."""
    taken: dict[str, set[bool]] = {}

    def spy(module: str, name: str, place: Any) -> Any:
        twin = twin_of(module, name, place)
        if twin is None:
            return None

        def noticed(*args: Any, **static: Any) -> Any:
            return twin(*args, **static)

        def takes(args: Any, static: Any, arrays: Any) -> bool:
            answer = bool(twin.takes(args, static, arrays))  # type: ignore[attr-defined]
            taken.setdefault(f"{module}.{name}", set()).add(answer)
            return answer

        noticed.takes = takes  # type: ignore[attr-defined]
        return noticed

    monkeypatch.setattr(twins, "twin_of", spy)
    model = make()
    for method in ("un+q", "un+uq"):
        data = compress(picture(64, 128), model=model, method=method)
        decompress(data, model=model)
    used = {"dither.dither_words", "intervals.fill_intervals"}
    used |= {"quantizer.look_up_symbols", "quantizer.look_up_values"}
    if make is not tiny_model:
        used |= {"conv.conv2d", "conv.conv_transpose2d", "gdn.gdn", "gdn.inverse_gdn"}
    assert used <= taken.keys()
    assert all(answers == {True} for answers in taken.values()), taken
