"""The rule that chooses between a plain function and its fast twins."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from npuq.runtime import twins
from npuq.runtime.twins import arrays_in, has_twins, takes


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins are asked for, also where Numba may not compile: those made up here need it not."""
    monkeypatch.setenv("NPUQ_KERNELS", "fast")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")


class Pair(NamedTuple):
    a: Any
    b: Any


@pytest.fixture
def shift() -> Iterator[Any]:
    """A plain function in a made-up module `plain.moving`, and a twin for float32 and small n."""

    def shift(x: Any, pair: Pair, *, n: int = 1) -> str:
        return "plain"

    shift.__module__ = "plain.moving"

    @takes(np.float32, when=lambda x, pair, *, n=1: n < 10)
    def twin(x: Any, pair: Pair, *, n: int = 1) -> str:
        return "twin"

    module = types.ModuleType("npuq.kernels.cpu.moving")
    module.shift = twin  # type: ignore[attr-defined]
    module.__spec__ = types.SimpleNamespace(name=module.__name__)  # type: ignore[assignment]
    sys.modules[module.__name__] = module
    twins.twin_of.cache_clear()
    yield has_twins()(shift)
    del sys.modules[module.__name__]
    twins.twin_of.cache_clear()


def arrays(*dtypes: Any) -> tuple[Any, Pair]:
    x, a, b = (np.zeros(2, dtype) for dtype in dtypes)
    return x, Pair(a, (b,))


def test_the_twin_computes_what_it_takes(shift: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    single = arrays(np.float32, np.float32, np.float32)
    assert shift(*single) == shift(*single, n=9) == "twin"
    assert shift(*single, n=10) == "plain"  # its own condition
    assert shift(*arrays(np.float64, np.float64, np.float64)) == "plain"
    for mixed in range(3):  # one array of another type, wherever it is
        dtypes: list[Any] = [np.float32] * 3
        dtypes[mixed] = np.float64
        assert shift(*arrays(*dtypes)) == "plain"
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    assert shift(*single) == "plain"
    monkeypatch.undo()
    assert shift.plain(*single) == "plain"


def test_arguments_are_checked_whoever_computes() -> None:
    def check(x: Any) -> None:
        if x.size == 0:
            raise ValueError("x is empty")

    @has_twins(check=check)
    def size(x: Any) -> int:
        return int(x.size)

    assert size(np.zeros(3)) == 3
    with pytest.raises(ValueError, match="x is empty"):
        size(np.zeros(0))


def test_numbers_of_numpy_are_no_arrays(shift: Any) -> None:
    """A float64 among the settings must not send float32 arrays the slow way."""
    x, pair = arrays(np.float32, np.float32, np.float32)
    assert shift(x, (pair, np.float64(7.0))) == "twin"


def test_what_a_twin_returns_has_the_names_of_the_plain_function(shift: Any) -> None:
    named = has_twins(returns=lambda *letters: Pair(letters[0], letters[1:]))(shift.plain)
    found = named(*arrays(np.float32, np.float32, np.float32))
    assert found == Pair("t", ("w", "i", "n"))
    assert named(*arrays(np.float64, np.float64, np.float64)) == "plain"


class OfPlain(NamedTuple):
    x: Any


class OfTwin(NamedTuple):
    x: Any


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_who_kept_something_goes_back_with_it(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says by then, and of whatever type the gradient is."""

    def back(d_y: Any, kept: Any) -> str:
        return "plain"

    @takes(kept=OfTwin)
    def twin(d_y: Any, kept: Any) -> str:
        return "twin"

    back.__module__ = "plain.moving"
    monkeypatch.setattr(twins, "twin_of", lambda module, name, place: twin)
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    chosen = has_twins(kept=OfPlain)(back)
    x = np.zeros(2, np.float32)
    for d_y in (x, np.zeros(2)):
        assert chosen(d_y, OfTwin(x)) == chosen(d_y, kept=OfTwin(x)) == "twin"
        assert chosen(d_y, OfPlain(x)) == chosen(d_y, kept=OfPlain(x)) == "plain"


def test_a_function_without_a_twin_computes_itself() -> None:
    @has_twins()
    def alone(x: Any) -> str:
        return "plain"

    assert alone(np.zeros(1, np.float32)) == "plain"
    assert alone(3.0) == "plain"  # no array at all


def test_dtypes_of_the_arrays_one_by_one() -> None:
    @takes(np.float64, (np.float32, np.uint8, np.float32))
    def twin(x: Any, pair: Pair, *, n: Any = None) -> None: ...

    def fits(*dtypes: Any, **static: Any) -> bool:
        return twin.takes(arrays(*dtypes), static)  # type: ignore[attr-defined, no-any-return]

    assert fits(np.float32, np.uint8, np.float32)
    assert fits(np.float64, np.float64, np.float64)
    assert not fits(np.float32, np.float32, np.uint8)  # the same, in another order
    assert not fits(np.float32, np.float32, np.float32)
    assert not fits(np.float32, np.uint8, np.float32, n=np.zeros(1, np.uint8))  # one too many
    assert not fits(np.float64, np.float64, np.float64, n=np.zeros(1, np.float32))  # by its name


def test_arrays_are_found_in_tuples() -> None:
    a, b, c = (np.zeros(n) for n in range(3))
    assert [x.size for x in arrays_in((a, [Pair(b, (c, 3, None, "x"))]))] == [0, 1, 2]
