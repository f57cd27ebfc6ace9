"""The one table of all operations: a row makes an operation checked everywhere.

`OPERATIONS` drives the gradient check (tests/gradcheck), the comparison with PyTorch's autograd
(tests/crosscheck), the CuPy parity test and the dtype test (tests/unit). To add a row:

    Operation(
        name="paper.soft_round",             # unique; add "/case" for another case of the same
        forward=soft_round,                  # called as forward(*args, **static)
        backward=soft_round_backward,        # called as backward(d_y, *args, **static)
        make=lambda rng, dtype: ((normal_array(rng, dtype, 4, 5),), {"alpha": 3.0}),
        torch=_soft_round_torch,             # the same signature on tensors, or None
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
import scipy.stats

from npuq.backend import Array
from npuq.nn import logistic, nonparametric, normal
from npuq.nn.activations import sigmoid, sigmoid_backward, softplus, softplus_backward
from npuq.nn.conv import conv2d, conv2d_backward
from npuq.nn.conv_transpose import conv_transpose2d, conv_transpose2d_backward
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.nn.scipy_cdf import from_scipy


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


# --- the same operations in PyTorch, which is only imported when one is called ------------------


def _softplus_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.softplus(x, threshold=100.0)


def _sigmoid_torch(x: Any) -> Any:
    return x.sigmoid()


def _nonparametric_torch(y: Any, params: Any) -> Any:
    import torch

    h = y.flatten(1).unsqueeze(1)
    for k, (H, b) in enumerate(zip(params.H, params.b, strict=True)):
        h = torch.einsum("cij,cjn->cin", _softplus_torch(H), h) + b
        if k < len(params.a):
            h = h + params.a[k].tanh() * h.tanh()
    return h.reshape(y.shape)


def _logistic_torch(y: Any, params: Any) -> Any:
    return (y - params.loc) / params.scale


def _normal_torch(y: Any, params: Any) -> Any:
    import torch

    x = (y - params.loc) / params.scale
    return torch.special.log_ndtr(x) - torch.special.log_ndtr(-x)


def _conv2d_torch(x: Any, w: Any, b: Any, **static: Any) -> Any:
    import torch

    return torch.nn.functional.conv2d(x, w, b, **static)


def _conv_transpose2d_torch(x: Any, w: Any, b: Any, **static: Any) -> Any:
    import torch

    return torch.nn.functional.conv_transpose2d(x, w, b, **static)


# --- arguments ----------------------------------------------------------------------------------


def _nonparametric_args(
    rng: np.random.Generator, dtype: Any, *, widths: tuple[int, ...] = (3, 3, 3), scale: float = 4.0
) -> Any:
    params = nonparametric.init(rng, 3, widths=widths, dtype=dtype)
    a = tuple(normal_array(rng, dtype, *a.shape) for a in params.a)  # 0 is a special point
    return (normal_array(rng, dtype, 3, 2, 5, scale=scale), params._replace(a=a)), {}


def _location_scale_args(rng: np.random.Generator, dtype: Any) -> Any:
    """Parameters that broadcast: one location per channel, one scale per row."""
    scale = (0.5 + rng.random((4, 1))).astype(dtype)
    params = logistic.Params(normal_array(rng, dtype, 3, 1, 1), scale)
    return (normal_array(rng, dtype, 2, 3, 4, 5, scale=3.0), params), {}


def _tail_args(dtype: Any, *y: float) -> Any:
    return (values(dtype, *y), logistic.Params(np.zeros(len(y), dtype), np.ones((), dtype))), {}


def _conv_args(
    x: tuple[int, ...], w: tuple[int, ...], b: int | None, **static: Any
) -> Callable[[np.random.Generator, Any], Any]:
    def make_args(rng: np.random.Generator, dtype: Any) -> Any:
        bias = None if b is None else normal_array(rng, dtype, b)
        return (normal_array(rng, dtype, *x), normal_array(rng, dtype, *w), bias), static

    return make_args


_LAPLACE = from_scipy(scipy.stats.laplace(scale=2.0))

_CONV2D_CASES = {
    "stride 2, padding 2": _conv_args((2, 3, 8, 7), (4, 3, 5, 5), 4, stride=2, padding=2),
    "blocks, no bias": _conv_args((2, 3, 8, 4), (5, 3, 4, 4), None, stride=4, padding=0),
    "unequal axes": _conv_args((1, 2, 7, 6), (3, 2, 3, 2), 3, stride=(3, 1), padding=(0, 1)),
    "1x1": _conv_args((2, 3, 2, 3), (2, 3, 1, 1), 2, stride=1, padding=0),
    "unread border": _conv_args((1, 2, 6, 6), (2, 2, 1, 1), 2, stride=4, padding=0),
}
_CONV_TRANSPOSE2D_CASES = {
    "stride 2, padding 2": _conv_args(
        (2, 3, 4, 3), (3, 4, 5, 5), 4, stride=2, padding=2, output_padding=1
    ),
    "blocks, no bias": _conv_args(
        (2, 5, 2, 1), (5, 3, 4, 4), None, stride=4, padding=0, output_padding=0
    ),
    "unequal axes": _conv_args(
        (1, 2, 3, 4), (2, 3, 3, 2), 3, stride=(3, 1), padding=(0, 1), output_padding=(2, 0)
    ),
}

# --- the table ----------------------------------------------------------------------------------

OPERATIONS: list[Operation] = [
    Operation(
        "nn.softplus",
        softplus,
        softplus_backward,
        lambda rng, dtype: ((values(dtype, -30, -1.5, -0.0, 0.3, 2, 30),), {}),
        _softplus_torch,
    ),
    Operation(
        "nn.sigmoid",
        sigmoid,
        sigmoid_backward,
        lambda rng, dtype: ((values(dtype, -30, -1.5, -0.0, 0.3, 2, 30),), {}),
        _sigmoid_torch,
    ),
    Operation(
        "nn.nonparametric.logits",
        nonparametric.logits,
        nonparametric.logits_backward,
        _nonparametric_args,
        _nonparametric_torch,
    ),
    Operation(
        "nn.nonparametric.logits/one layer",
        nonparametric.logits,
        nonparametric.logits_backward,
        lambda rng, dtype: _nonparametric_args(rng, dtype, widths=()),
        _nonparametric_torch,
    ),
    Operation(
        "nn.nonparametric.logits/tails",
        nonparametric.logits,
        nonparametric.logits_backward,
        lambda rng, dtype: _nonparametric_args(rng, dtype, widths=(2, 4), scale=1e6),
        _nonparametric_torch,
    ),
    Operation(
        "nn.logistic.logits",
        logistic.logits,
        logistic.logits_backward,
        _location_scale_args,
        _logistic_torch,
    ),
    Operation(
        "nn.normal.logits",
        normal.logits,
        normal.logits_backward,
        _location_scale_args,
        _normal_torch,
    ),
    Operation(
        "nn.normal.logits/near 0",
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, 0.0, -1e-7, 1e-3),
        _normal_torch,
    ),
    Operation(
        "nn.normal.logits/where erfc underflows",
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, -39.0, -38.0, 38.0, 39.0),
        _normal_torch,
    ),
    Operation(
        "nn.normal.logits/tails",  # without PyTorch, whose gradient of log_ndtr is off by 1e-4 here
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, -1e6, 1e6, 3e5),
    ),
    Operation(
        "nn.scipy_cdf.logits",
        _LAPLACE.logits,
        _LAPLACE.logits_backward,
        lambda rng, dtype: ((values(dtype, -50, -3, -0.2, 0.1, 4, 50), None), {}),
        host_only=True,
    ),
    *(
        Operation(f"nn.conv2d/{label}", conv2d, conv2d_backward, args, _conv2d_torch)
        for label, args in _CONV2D_CASES.items()
    ),
    *(
        Operation(
            f"nn.conv_transpose2d/{label}",
            conv_transpose2d,
            conv_transpose2d_backward,
            args,
            _conv_transpose2d_torch,
        )
        for label, args in _CONV_TRANSPOSE2D_CASES.items()
    ),
]
