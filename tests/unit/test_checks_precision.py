"""`npuq.check(dtypes=)`: targets that compute in one precision only."""

from __future__ import annotations

import contextlib
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npuq
from npuq.backend import Array
from npuq.checks.catalogue import LAWS
from npuq.checks.diagnosis import observations
from npuq.checks.law import DTYPES
from npuq.checks.ours import FUNCTIONS
from npuq.errors import CheckError

CODERS = ("entropy_encode", "entropy_decode", "escape_encode", "escape_decode")
"""Their probabilities are float64 always."""


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def casting(dtype: str, functions: Any = FUNCTIONS) -> dict[str, Callable[..., Any]]:
    """All of npuq in one precision, whatever it is given."""

    def cast(a: Any) -> Any:
        return a.astype(dtype) if is_float(a) else a

    def of(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = function(*map(cast, arguments))
            return tuple(map(cast, result)) if isinstance(result, tuple) else cast(result)

        return call

    return {name: of(function) for name, function in functions.items()}


def strict(dtype: str, functions: Any = FUNCTIONS) -> dict[str, Callable[..., Any]]:
    """All of npuq, which takes no other floats than these."""

    def of(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            for a in arguments:
                if is_float(a) and a.dtype != dtype and name not in CODERS:
                    raise TypeError(f"no {a.dtype}")
            return function(*arguments)

        return call

    return {name: of(name, function) for name, function in functions.items()}


@pytest.mark.parametrize("make", [casting, strict])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_target_of_one_precision_does_not_fail(make: Any, dtype: str) -> None:
    records = npuq.check(make(dtype), dtypes=(dtype,))
    assert [record for record in records if record.status == "fail"] == []
    other = DTYPES[1 - DTYPES.index(dtype)]
    absent = [record for record in records if record.status == "absent"]
    assert {record.message for record in absent} == {f"it is asked in {other}, not in {dtype}"}
    assert len(absent) < len(records) / 3


def test_laws_ask_in_the_precisions_that_they_name() -> None:
    for law in LAWS:
        asked = set[str]()

        def recording(name: str, asked: set[str] = asked) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                if name not in CODERS:
                    asked.update(str(a.dtype) for a in arguments if is_float(a))
                return FUNCTIONS[name](*arguments)

            return call

        for dtypes in (("float32",), ("float64",), DTYPES):
            asked.clear()
            if part := law.asked_in(dtypes):
                observations(part, {name: recording(name) for name in law.needs})
            assert asked == set(part.dtypes if part else ()), law.name
        assert not law.coarse or law.dtypes == ("float64",)


def test_float32_alone_is_named_where_float64_is_asked() -> None:
    records = npuq.check(casting("float32"), only=["soft_round", "gdn"])
    failed = [record for record in records if record.status == "fail"]
    assert {record.probably for record in failed} == {
        "it computes in float32 only: try dtypes=('float32',)"
    }
    assert "soft_round.values.float64" in {record.check for record in failed}


def test_float32_amid_float64_is_named_beside_other_mistakes() -> None:
    """Of NumPy as of PyTorch: only the slope of the hyperbolic tangent is float32."""

    def soft_round(y: Array, alpha: float) -> Array:
        m = np.floor(y) + 0.5
        return m + np.tanh((alpha * (y - m)).astype("float32")) / np.tanh(alpha / 2) / 2

    def backward(d: Array, y: Array, alpha: float) -> Array:
        return FUNCTIONS["soft_round_backward"](d, y.astype("float32"), alpha).astype(y.dtype)

    def a_little(y: Array, alpha: float) -> Array:
        return npuq.soft_round(y, alpha) + y.dtype.type(1e-4)

    def named(**mine: Any) -> dict[str, str]:
        records = npuq.check(mine, only=["soft_round.", "soft_round_backward"])
        return {r.check: r.probably for r in records if r.status == "fail"}

    found = named(soft_round=soft_round, soft_round_backward=backward)
    assert found.pop("soft_round.identity") == "no case for alpha = 0 in Eq. 10"
    somewhere = "float32 somewhere amid float64"
    inherited = {name: f"what soft_round has: {somewhere}" * ("backward" in name) for name in found}
    assert found == {name: why or somewhere for name, why in inherited.items()}
    assert {"soft_round.values.float64", "soft_round_backward.values"} <= set(found)
    alone = named(soft_round_backward=backward)
    assert alone["soft_round_backward.values"] == somewhere
    assert set(named(soft_round=a_little).values()) == {""}


def test_smaller_tolerances_leave_a_float32_its_name_and_give_it_to_nothing_else() -> None:
    def soft_round(y: Array, alpha: float) -> Array:
        m = np.floor(y) + 0.5
        return m + np.tanh((alpha * (y - m)).astype("float32")) / np.tanh(alpha / 2) / 2

    def last_digits(z: Array, alpha: float) -> Array:
        return npuq.soft_round_inverse(z, alpha) + z.dtype.type(1e-8)

    for wrong, law, name in (
        (soft_round, "soft_round.values.float64", "float32 somewhere amid float64"),
        (soft_round, "soft_round.vanishing_alpha", "float32 somewhere amid float64"),
        (last_digits, "soft_round_inverse.values.float64", ""),
    ):
        mine = {law.partition(".")[0]: wrong}
        (record,) = npuq.check(mine, only=[law], tolerance_scale=0.01)
        assert (record.status, record.probably) == ("fail", name)


def test_tolerances_are_multiplied_in_one_precision_as_well() -> None:
    only = ["soft_round.periodic", "dither.moments", "logistic_bits.sums"]
    usual, half = (
        npuq.check(strict("float32"), dtypes=["float32"], only=only, tolerance_scale=scale)
        for scale in (1, 0.5)
    )
    assert [b.tolerance / a.tolerance for a, b in zip(usual, half, strict=True)] == [0.5, 1, 0.5]
    assert {record.status for record in (*usual, *half)} == {"pass"}


def test_the_decorator_multiplies_tolerances_also_in_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is off by 1e-5, where float32 is allowed 3e-4; in float64 it is not asked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import npuq\n"
        "def soft_round_inverse(z, alpha):\n"
        "    return npuq.soft_round_inverse(z, alpha) + z.dtype.type(1e-5)\n"
    )
    options: Any = {"python": sys.executable, "only": ["soft_round_inverse.values"]}
    for scale, fails in ((1.0, False), (1e-3, True)):
        mine = npuq.parametrize_with_checks(
            "mine.py", dtypes=("float32",), tolerance_scale=scale, **options
        )(lambda check: check())
        checks = {check.args[1]: check for check in mine.pytestmark[0].args[1]}
        with pytest.raises(pytest.skip.Exception):
            checks["soft_round_inverse.values.float64"]()
        expected = pytest.raises(pytest.fail.Exception) if fails else contextlib.nullcontext()
        with expected:
            checks["soft_round_inverse.values.float32"]()
    with pytest.raises(CheckError, match="tolerance_scale must be a number"):
        npuq.parametrize_with_checks("mine.py", tolerance_scale=2, **options)


def test_no_precision_explains_a_nan() -> None:
    mine = {"soft_round": lambda y, alpha: np.where(y > 5, np.nan, npuq.soft_round(y, alpha))}
    record = npuq.check(casting("float32", mine), only=["soft_round.values.float64"])[0]
    assert (record.status, record.probably) == ("fail", "")


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_refuses_a_precision_is_named(dtype: str) -> None:
    records = npuq.check(strict(dtype), only=["soft_round.", "round_half_up"])
    failed = [record for record in records if record.status == "fail"]
    assert {r.probably for r in failed} == {f"it takes {dtype} only: try dtypes=({dtype!r},)"}


def test_what_fails_in_both_precisions_is_not_called_one() -> None:
    def mine(y: Array, alpha: float) -> Array:
        raise NotImplementedError

    right = npuq.soft_round
    for wrong in (mine, lambda y, alpha: right(y, alpha) + y.dtype.type(0.003)):
        records = npuq.check({"soft_round": wrong}, only=["soft_round.values"])
        assert [(r.status, r.probably) for r in records] == [("fail", "")] * 2


def test_mistakes_are_named_in_float32_too() -> None:
    """Also by laws that ask in float64 else, and the lines that show them ask in float32."""

    def floored(z: Array, loc: Array, scale: Array) -> Array:
        return np.minimum(FUNCTIONS["logistic_bits"](z, loc, scale), np.float32(-np.log2(1e-9)))

    def textbook(z: Array, alpha: float) -> Array:
        r = z - np.floor(z) - np.float32(0.5)
        return (
            np.floor(z)
            + np.float32(0.5)
            + np.arctanh(2 * np.float32(np.tanh(alpha / 2)) * r) / alpha
        )

    mine = strict("float32", {"logistic_bits": floored, "soft_round_inverse": textbook})
    only = ["logistic_bits", "soft_round_inverse.values"]
    failed = [r for r in npuq.check(mine, only=only, dtypes=["float32"]) if r.status == "fail"]
    assert [(r.check, r.probably) for r in failed] == [
        ("soft_round_inverse.values.float32", "the textbook artanh inverse"),
        ("logistic_bits.tails", "a floor of 1e-9 under the density"),
    ]
    assert "'float32'" in failed[1].counterexample and "64" not in failed[1].counterexample


def test_differences_of_distribution_functions_are_named_in_float32() -> None:
    """And pass all laws but those of tails and of finite bits."""

    def density(z: Array, loc: Array, scale: Array) -> Array:
        high, low = ((z + np.float32(half) - loc) / scale for half in (0.5, -0.5))
        return 1 / (1 + np.exp(-high)) - 1 / (1 + np.exp(-low))

    mine = {"logistic_density": density, "logistic_bits": lambda *a: -np.log2(density(*a))}
    records = npuq.check(strict("float32", mine), dtypes=["float32"])
    assert [(r.check, r.probably) for r in records if r.status == "fail"] == [
        (f"logistic_bits.{law}", "1 less 1 in the upper tail") for law in ("tails", "finite")
    ]


def test_lines_with_several_calls_ask_in_float32_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = types.ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", mine)
    name = "normal_soft_rounded_bits_backward"
    wrong = {
        name: FUNCTIONS[name],
        f"{name}_expected": lambda *arguments: 2 * FUNCTIONS[f"{name}_expected"](*arguments),
    }
    mine.__dict__.update(strict("float32", wrong))
    (record,) = npuq.check(mine, only=[f"{name}_expected.average"], dtypes=["float32"])
    printed: list[Any] = []
    exec(record.counterexample, {"print": printed.append})
    assert abs(printed[0][0]) > record.tolerance


@pytest.mark.parametrize(
    ("dtypes", "message"),
    [
        ("float32", r"must be a list, as \['float32'\], not 'float32'"),
        ((), "must be a list"),
        (None, "must be a list, .* not None"),
        (("float16",), "or one of them, not 'float16'"),
        ((np.float32,), "or one of them, not <class 'numpy.float32'>"),
    ],
)
def test_other_precisions_are_refused(dtypes: Any, message: str) -> None:
    with pytest.raises(CheckError, match=message):
        npuq.check(npuq, dtypes=dtypes)
    with pytest.raises(CheckError, match=message):
        npuq.parametrize_with_checks(npuq, dtypes=dtypes)


def test_the_decorator_skips_what_is_asked_in_the_other_precision() -> None:
    @npuq.parametrize_with_checks(
        strict("float32"), dtypes=("float32",), only=["soft_round.values"]
    )
    def mine(check: Any) -> None:
        check()

    outcomes = Counter[str]()
    for check in mine.pytestmark[0].args[1]:
        try:
            check()
        except pytest.skip.Exception as skipped:
            outcomes[str(skipped)] += 1
    assert outcomes == {"it is asked in float64, not in float32": 1}
