"""What a row of the table of operations is, and how the tests read one.

To add a row:

    Operation(
        name="paper.soft_round",             # unique; add "/case" for another case of the same
        forward=soft_round,                  # called as forward(*args, **static)
        backward=soft_round_backward,        # called as backward(d_y, *args, **static)
        make=lambda rng, dtype: ((normal_array(rng, dtype, 4, 5),), {"alpha": 3.0}),
        torch=in_torch.soft_round,            # the same signature on tensors, or None
    )

* `make` returns (args, static). An argument is an array, None, or a tree of arrays (nested
  NamedTuples and tuples). What is no array, such as numbers and modules, goes into `static`.
* `wrt` lists the arguments with a gradient, by position; without it, all of them have one. The
  backward returns one gradient per argument or one per differentiable argument; one gradient alone
  need not be in a tuple.
* The forward returns an array or a tree of them. Let a lambda pick the differentiable part of it.
* Draw arguments a few `step` away from kinks; a nasty region deserves a row of its own, because an
  error there would drown in the large gradients of a mixed one.
* `step` is the gradient check's, relative to max(1, |x|): lower it where the fifth derivative is
  large. `host_only` keeps a row off the GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.nn.parameters import named_arrays, with_arrays


class Operation(NamedTuple):
    """A row; see the top of this file."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    make: Callable[[np.random.Generator, Any], tuple[tuple[Any, ...], dict[str, Any]]]
    torch: Callable[..., Any] | None = None
    wrt: tuple[int, ...] | None = None
    step: float = 1e-3
    host_only: bool = False


def make(operation: Operation, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The row's arguments, the same in every test."""
    return operation.make(np.random.default_rng(17), dtype)


def differentiable(operation: Operation, args: tuple[Any, ...]) -> list[str]:
    """The names, as in `named_arrays(args)`, of the arrays that have a gradient."""
    wrt = range(len(args)) if operation.wrt is None else operation.wrt
    return [name for name in named_arrays(args) if int(name.split(".")[0]) in wrt]


def gradients(
    operation: Operation, d_y: Any, args: tuple[Any, ...], static: dict[str, Any]
) -> dict[str, Array]:
    """The backward's results by the names of `differentiable`."""
    result = operation.backward(d_y, *args, **static)
    grads = result if type(result) is tuple else (result,)  # a NamedTuple is one gradient
    wrt = range(len(args)) if operation.wrt is None else operation.wrt
    if len(grads) == len(args):
        by_argument = dict(enumerate(grads))
    elif len(grads) == len(wrt):
        by_argument = dict(zip(wrt, grads, strict=True))
    else:
        raise AssertionError(f"{operation.name}: {len(grads)} gradients of {len(args)} arguments")
    named = {
        f"{i}.{name}" if name else str(i): array
        for i in wrt
        for name, array in named_arrays(by_argument[i]).items()
    }
    assert list(named) == differentiable(operation, args), operation.name
    return named


def upstream(rng: np.random.Generator, y: Any) -> Any:
    """A random d_y of the type, the shapes and the dtypes of the output y."""
    noise = {n: rng.standard_normal(a.shape).astype(a.dtype) for n, a in named_arrays(y).items()}
    return with_arrays(y, noise)


def normal_array(rng: np.random.Generator, dtype: Any, *shape: int, scale: float = 1.0) -> Array:
    """Normal entries of the given standard deviation."""
    return (scale * rng.standard_normal(shape)).astype(dtype)


def values(dtype: Any, *numbers: float) -> Array:
    """The given numbers as a vector."""
    return np.array(numbers, dtype)
