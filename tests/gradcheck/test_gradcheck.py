"""Every backward of the table against central differences of its forward, in float64."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, differentiable, gradients, make, upstream

import npuq
from npuq.backend import Array
from npuq.nn.parameters import named_arrays, with_arrays

# Central differences with one Richardson step: truncation O(step^4) = 1e-12, rounding
# O(eps / step) = 1e-13, both of the function's own magnitude. What is left is a margin.
RELATIVE_TOLERANCE = 1e-6
DIRECTIONS = 3


def projection(operation: Operation, d_y: Any, args: Any, static: Any) -> tuple[float, float]:
    """<d_y, f(args)>, and the sum of the absolute terms, to which its rounding error relates."""
    y, d = named_arrays(operation.forward(*args, **static)), named_arrays(d_y)
    terms = [np.sum(y[name] * d[name]) for name in y]
    magnitude = sum(np.sum(np.abs(y[name] * d[name])) for name in y)
    return float(sum(terms)), float(magnitude)


def directional_derivative(
    operation: Operation, d_y: Any, args: Any, static: Any, name: str, direction: Array
) -> tuple[float, float]:
    """The slope of the projection as the array `name` moves, and a bound on its rounding error."""
    arrays = named_arrays(args)

    def at(t: float) -> tuple[float, float]:
        moved = with_arrays(args, arrays | {name: arrays[name] + t * direction})
        return projection(operation, d_y, moved, static)

    def central(h: float) -> float:
        return (at(h)[0] - at(-h)[0]) / (2 * h)

    h = operation.step
    rounding = 16 * np.finfo(np.float64).eps * at(h)[1] / h
    return (4 * central(h / 2) - central(h)) / 3, rounding


def check_gradients(operation: Operation) -> None:
    rng = np.random.default_rng(5)
    args, static = make(operation, np.float64)
    arrays = named_arrays(args)
    d_y = upstream(rng, operation.forward(*args, **static))
    grads = gradients(operation, d_y, args, static)
    for name in differentiable(operation, args):
        assert grads[name].shape == arrays[name].shape, name
        for _ in range(DIRECTIONS):
            # A step in proportion to each entry, so that 1e6 + t and 1 + t both move.
            direction = rng.standard_normal(arrays[name].shape)
            direction = direction * np.maximum(1, np.abs(arrays[name]))
            slope, rounding = directional_derivative(operation, d_y, args, static, name, direction)
            terms = grads[name] * direction
            # The norm, and not the sum, since the sum of random terms may be 0 by chance.
            tolerance = RELATIVE_TOLERANCE * np.linalg.norm(terms) + rounding
            assert abs(slope - np.sum(terms)) <= tolerance, (name, slope, np.sum(terms))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_backward_is_the_derivative_of_forward(operation: Operation) -> None:
    check_gradients(operation)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_check_notices_an_error_of_a_hundred_thousandth(operation: Operation) -> None:
    """A check that accepts anything is none: each gradient in turn is made slightly wrong."""
    args, _ = make(operation, np.float64)
    for name in differentiable(operation, args):
        with pytest.raises(AssertionError):
            check_gradients(with_scaled_gradient(operation, name, 1 + 1e-5))


def with_scaled_gradient(operation: Operation, name: str, factor: float) -> Operation:
    def backward(d_y: Any, *args: Any, **static: Any) -> Any:
        result = operation.backward(d_y, *args, **static)
        grads = result if type(result) is tuple else (result,)
        number, *path = name.split(".")
        if operation.wrt is not None and len(grads) == len(operation.wrt):
            number = str(operation.wrt.index(int(number)))
        arrays, key = named_arrays(grads), ".".join([number, *path])
        return with_arrays(grads, arrays | {key: arrays[key] * factor})

    return operation._replace(backward=backward)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_no_two_entries_of_an_argument_are_equal(operation: Operation) -> None:
    """Else one might be read for another, or a matrix for its transpose, and nothing would tell."""
    args, _ = make(operation, np.float64)
    for name in differentiable(operation, args):
        array = named_arrays(args)[name]
        assert np.unique(array).size == array.size, name


def test_names_are_unique() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))


# --- the table is complete ----------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    # whole models, along random directions in each array, rate and distortion apart
    "models.linear.loss_backward": (
        "tests/gradcheck/test_linear_model.py::test_gradients_of_rate_and_distortion"
    ),
    "models.hyperprior.loss_backward": (
        "tests/gradcheck/test_hyperprior.py::test_gradients_of_rate_and_distortion"
    ),
    "models.layers.stack_backward_straight_through": (
        "tests/unit/test_layers.py::test_a_stack_of_leaky_relus_there_and_back"
    ),
    # a linear map: its adjoint
    "training.coordinates.to_model_backward": (
        "tests/unit/test_linear_model.py::test_coordinates_are_a_change_of_basis"
    ),
    # What is no derivative of its forward, by intention: the tests say what it is instead.
    "models.conditional_rate.conditional_bits_backward_expected": (
        "tests/property/test_conditional_rate.py::test_expected_gradients_are_noise_averages"
    ),
    "nn.non_negative.lower_bound_backward_straight_through": (
        "tests/unit/test_nn_gdn.py::test_gradients_at_the_bounds_are_those_of_the_field"
    ),
    "nn.non_negative.non_negative_backward_straight_through": (
        "tests/unit/test_nn_gdn.py::test_gradients_at_the_bounds_are_those_of_the_field"
    ),
    "paper.channel.round_half_up_backward_straight_through": (
        "tests/property/test_laws.py::test_npuq_obeys"  # round_straight_through_backward.values
    ),
    "paper.expected_gradient.rate_bits_backward_expected": (
        "tests/unit/test_paper_expected_gradient.py"
        "::test_expected_rate_gradient_is_the_noise_average"
    ),
    "paper.expected_gradient.soft_round_conditional_mean_backward_expected": (
        "tests/unit/test_paper_expected_gradient.py::test_equation_20_is_exact_for_linear_losses"
    ),
    "paper.older_quantizers.dithered_round_backward_straight_through": (
        "tests/property/test_paper_older_quantizers.py"
        "::test_straight_through_is_the_derivative_of_the_mean"
    ),
    "paper.older_quantizers.stochastic_round_backward_straight_through": (
        "tests/property/test_paper_older_quantizers.py"
        "::test_straight_through_is_the_derivative_of_the_mean"
    ),
    "paper.soft_rounded_channel.noisy_rate_bits_backward_expected": (
        "tests/unit/test_paper_expected_gradient.py"
        "::test_soft_rounding_before_the_noise_keeps_its_derivative"
    ),
    "paper.soft_rounded_channel.noisy_reconstruction_backward_expected": (
        "tests/unit/test_paper_expected_gradient.py"
        "::test_soft_rounding_before_the_noise_keeps_its_derivative"
    ),
}
"""Backwards that are in no row of the table, and the test that says what they compute."""


def backwards() -> Iterator[tuple[str, Any]]:
    """All public `..._backward...` of the package by name, functions and methods of classes.

    But for those of compiled twins, which are held to their plain functions.
    """
    for info in pkgutil.walk_packages(npuq.__path__, "npuq."):
        if info.name.startswith("npuq.kernels.") or info.name == "npuq.__main__":
            continue
        module = importlib.import_module(info.name)
        classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
        for holder in (module, *(c for c in classes if not getattr(c, "_is_protocol", False))):
            for name, function in inspect.getmembers(holder, inspect.isfunction):
                is_here = function.__module__ == module.__name__ and not name.startswith("_")
                if "_backward" in name and is_here:
                    place = module.__name__.removeprefix("npuq.")
                    yield f"{place}.{function.__qualname__}", inspect.unwrap(function)


def test_every_backward_is_in_the_table_or_another_test_is_named() -> None:
    rows = {inspect.unwrap(getattr(o.backward, "__func__", o.backward)) for o in OPERATIONS}
    found = dict(backwards())
    assert len(found) > 30
    assert {name for name, function in found.items() if function not in rows} == ELSEWHERE.keys()
    for test in ELSEWHERE.values():
        file, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), test
