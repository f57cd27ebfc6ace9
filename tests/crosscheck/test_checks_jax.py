"""`npuq.check` of functions in JAX: float64 stays what it is, and gradients come from `jax.vjp`."""

from __future__ import annotations

from typing import Any

import pytest

import npuq

jax = pytest.importorskip("jax")


def soft_round(y: Any, alpha: float) -> Any:
    m = jax.numpy.floor(y) + 0.5
    return m + jax.numpy.tanh(alpha * (y - m)) / (2 * jax.numpy.tanh(alpha / 2))


def bits(z: Any, loc: Any, scale: Any) -> Any:
    high, low = (jax.nn.sigmoid((z + half - loc) / scale) for half in (0.5, -0.5))
    return -jax.numpy.log(high - low)


def checked(**functions: Any) -> dict[str, Any]:
    records = npuq.check(functions, framework="jax")
    return {record.check: record for record in records if record.status != "absent"}


def test_soft_rounding_passes_in_both_precisions_and_by_its_gradients() -> None:
    statuses = {name: record.status for name, record in checked(soft_round=soft_round).items()}
    assert statuses.pop("soft_round.identity") == "fail"  # 0 / 0
    assert set(statuses.values()) == {"pass"} and len(statuses) > 10


def test_nats_are_named_and_so_are_their_gradients() -> None:
    records = checked(logistic_bits=bits)
    record = records["logistic_bits.values.float64"]
    assert record.probably == "nats for bits, or bits for nats"
    assert "jax.numpy.asarray(np.array([" in record.counterexample
    assert records["logistic_bits_backward.values"].probably.endswith(record.probably)


def test_a_stopped_gradient_is_named() -> None:
    records = checked(round_straight_through=lambda y: jax.numpy.round(jax.lax.stop_gradient(y)))
    record = records["round_straight_through_backward.values"]
    assert record.probably == "a straight-through line that stops the gradient"
