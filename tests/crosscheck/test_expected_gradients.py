"""The examples of expected gradients in PyTorch and JAX pass all laws that can be asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import module_at

import npuq
from npuq.checks import frameworks

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = (
    "soft_round", "soft_round_inverse", "soft_round_conditional_mean",
    "soft_round_conditional_mean_expected", "logistic_bits", "logistic_soft_rounded_bits",
    "logistic_soft_rounded_bits_expected",
)  # fmt: skip


@pytest.fixture(params=[("torch", "pytorch"), ("jax", "jax")], ids=lambda pair: pair[1])
def example(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """The name of the framework, and the example in it."""
    framework, end = request.param
    pytest.importorskip(framework)
    return framework, module_at(EXAMPLES / f"expected_gradients_{end}.py")


def test_all_laws_pass(example: tuple[str, Any]) -> None:
    framework, module = example
    functions = {name: getattr(module, name) for name in NAMES}
    records = npuq.check(functions, framework=framework)
    assert {r.check: r.message for r in records if r.status == "fail"} == {}
    asked = {r.check.partition(".")[0] for r in records if r.status == "pass"}
    assert {name.replace("_expected", "_backward_expected") for name in NAMES} <= asked
    assert {"soft_round_inverse_backward", "logistic_soft_rounded_bits_backward"} <= asked


def test_pathwise_gradients_in_their_place_are_seen(example: tuple[str, Any]) -> None:
    framework, module = example
    name = "logistic_soft_rounded_bits_expected"
    functions = {name: module.logistic_soft_rounded_bits}
    records = npuq.check(functions, framework=framework, only=["logistic_soft"])
    assert "fail" in {r.status for r in records if r.status != "absent"}


def test_in_training_the_value_is_that_of_the_draw_and_the_gradient_that_of_the_mean(
    example: tuple[str, Any],
) -> None:
    """That to the noise is none; that to what else f depends on is the usual one, at the draw."""
    name, module = example
    framework = frameworks.load(name)
    assert framework.gradients is not None
    rng = np.random.default_rng(4)
    y, u, w, d = rng.normal(0, 2, 7), rng.random(7) - 0.5, rng.normal(0, 1, 7), rng.normal(0, 1, 7)

    def trained(y: Any, u: Any, w: Any) -> Any:
        return module.expected(lambda z: w * z**3, y, u)

    with framework.scope():
        y_, u_, w_, d_ = map(framework.wrap, (y, u, w, d))
        value = framework.unwrap(trained(y_, u_, w_))
        found = [framework.unwrap(g) for g in framework.gradients(trained, d_, [y_, u_, w_])]
    np.testing.assert_allclose(value, w * (y + u) ** 3, rtol=1e-12)
    np.testing.assert_allclose(found[0], d * w * ((y + 0.5) ** 3 - (y - 0.5) ** 3), rtol=1e-12)
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_allclose(found[2], d * (y + u) ** 3, rtol=1e-12)
