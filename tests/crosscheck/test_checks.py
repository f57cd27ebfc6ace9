"""`npuq.check` of functions in PyTorch: arrays cross over, autograd takes the gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest

import npuq

torch = pytest.importorskip("torch")


def literal(y: Any, alpha: float) -> Any:
    m = torch.floor(y) + 0.5
    return m + torch.tanh(alpha * (y - m)) / (2 * math.tanh(alpha / 2))


def single_tanh(y: Any, alpha: float) -> Any:
    """A tensor made of a number is float32."""
    m = torch.floor(y) + 0.5
    return m + torch.tanh(alpha * (y - m)) / (2 * torch.tanh(torch.tensor(alpha / 2)))


def textbook_inverse(z: Any, alpha: float) -> Any:
    m = torch.floor(z) + 0.5
    steep = 2 * torch.tanh(torch.tensor(alpha / 2, dtype=z.dtype))
    return m + torch.atanh(steep * (z - m)) / alpha


def bits_as_printed(z: Any, loc: Any, scale: Any, alpha: float) -> Any:
    y = textbook_inverse(z, alpha)
    upper, lower = ((y + half - loc) / scale for half in (0.5, -0.5))
    return -torch.log2(torch.sigmoid(upper) - torch.sigmoid(lower))


class Expected(torch.autograd.Function):  # type: ignore[misc,name-defined]
    """r with the expected derivative of Eq. 20."""

    @staticmethod
    def forward(ctx: Any, z: Any, alpha: float) -> Any:
        return textbook_inverse(z - 0.5, alpha) + 0.5

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        return d, None


def checked(**functions: Any) -> dict[str, npuq.checks.records.Record]:
    records = npuq.check(functions, framework="torch")
    return {record.check: record for record in records if record.status != "absent"}


def test_soft_rounding_passes_by_autograd() -> None:
    records = checked(soft_round=literal)
    for name in ("values.float32", "values.float64", "large_alpha"):
        assert records[f"soft_round.{name}"].status == "pass"
    assert records["soft_round_backward.values"].status == "pass"
    record = checked(soft_round=single_tanh)["soft_round.values.float64"]
    assert record.probably == "tanh(alpha/2) in float32 amid float64"


def test_npuq_itself_takes_no_tensors() -> None:
    with pytest.raises(npuq.NpuqError, match="leave the framework torch out"):
        npuq.check(npuq, framework="torch")


def test_the_textbook_inverse_is_found_and_named() -> None:
    """In float32 on values of s at alpha = 16, and not in float64."""
    records = checked(soft_round_inverse=textbook_inverse)
    record = records["soft_round_inverse.values.float32"]
    assert (record.status, record.probably) == ("fail", "the textbook artanh inverse")
    assert "0.3 of a unit in float32 at alpha 16" in record.cost
    assert "torch.tensor(np.array([" in record.counterexample
    assert records["soft_round_inverse.values.float64"].status == "pass"


def test_the_printed_density_is_found_and_its_gradient_follows() -> None:
    records = checked(logistic_soft_rounded_bits=bits_as_printed)
    record = records["logistic_soft_rounded_bits.values.float64"]
    assert record.probably == "Eqs. 22 and 44 as printed (erratum E1)"
    backward = records["logistic_soft_rounded_bits_backward.values"]
    assert backward.probably.endswith(record.probably)
    exec(backward.counterexample.partition("print")[0].rpartition("; ")[0], {})  # it is Python


def test_expected_and_straight_through_gradients_are_taken_by_autograd() -> None:
    records = checked(
        soft_round_conditional_mean_expected=Expected.apply,
        round_straight_through=lambda y: y + (torch.round(y) - y).detach(),
    )
    assert {record.status for record in records.values()} == {"pass"}
    assert len(records) == 3
    sampled = checked(
        soft_round_conditional_mean_expected=lambda z, alpha: textbook_inverse(z - 0.5, alpha) + 0.5
    )["soft_round_conditional_mean_backward_expected.values"]
    assert sampled.probably == "the sampled derivative of r in place of 1"
    for stopped in (torch.round, lambda y: torch.round(y.detach())):
        records = checked(round_straight_through=stopped)
        record = records["round_straight_through_backward.values"]
        assert record.probably == "a straight-through line that stops the gradient"
