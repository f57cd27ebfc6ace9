"""Every backward of the table against central differences of its forward, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, differentiable, gradients, make, upstream

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
        arrays = named_arrays(grads)
        return with_arrays(grads, arrays | {name: arrays[name] * factor})

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
