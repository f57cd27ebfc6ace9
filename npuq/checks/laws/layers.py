"""Laws of the layers: GDN, convolution, transposed convolution and Adam, written out once more.

Gradients are those of a linear function, or by a complex step, which has no rounding error.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import ask, beside

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
SUMS = "1e-12 (1e-5 in float32) of the largest value: sums of some ten products"


def gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)."""
    return x / np.sqrt(beta + np.einsum("ij,...j->...i", gamma, x * x))


def inverse_gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """x_i sqrt(beta_i + sum_j gamma_ij x_j^2)."""
    return x * np.sqrt(beta + np.einsum("ij,...j->...i", gamma, x * x))


def conv2d(x: Array, w: Array, stride: int, padding: int) -> Array:
    """y[n, i, j, o] = sum over p, q, c of w[o, c, p, q] x[n, s i + p - P, s j + q - P, c]."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (1, 2))
    return np.einsum("nijcpq,ocpq->nijo", windows[:, ::stride, ::stride], w)


def conv_transpose2d(x: Array, w: Array, stride: int, padding: int) -> Array:
    """The adjoint: each x[n, i, j, c] adds w[c, o, p, q] x at s i + p - P, s j + q - P."""
    (n, height, width, _), (_, out, kh, kw) = x.shape, w.shape
    shape = n, (height - 1) * stride + kh, (width - 1) * stride + kw, out
    y = np.zeros(shape, np.result_type(x, w))
    for i, j in np.ndindex(height, width):
        place = slice(stride * i, stride * i + kh), slice(stride * j, stride * j + kw)
        y[:, place[0], place[1]] += np.einsum("nc,copq->npqo", x[:, i, j], w)
    return y[:, padding : shape[1] - padding, padding : shape[2] - padding]


def adam_step(
    p: Array, g: Array, m: Array, v: Array, step: int, learning_rate: float,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Kingma & Ba 2015, Algorithm 1."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
    return p - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), m, v


LAYERS: dict[str, tuple[Callable[..., Array], str, str]] = {
    "gdn": (gdn, "GDN, Ballé et al. 2016", "x, beta, gamma"),
    "inverse_gdn": (inverse_gdn, "inverse GDN, Ballé et al. 2016", "x, beta, gamma"),
    "conv2d": (conv2d, "convolution, Dumoulin & Visin 2016", "x, w"),
    "conv_transpose2d": (conv_transpose2d, "its transpose, Zeiler et al. 2010", "x, w"),
}


def arguments_of(name: str, dtype: str) -> Iterator[tuple[Any, ...]]:
    """Random entries, nothing symmetric, sides and kernels that are no squares."""
    rng = np.random.default_rng(21)
    if name.endswith("gdn"):
        x = rng.normal(0, 1.5, (2, 2, 3)).astype(dtype)
        yield x, rng.uniform(0.2, 1.5, 3).astype(dtype), rng.uniform(0, 0.8, (3, 3)).astype(dtype)
        return
    for stride, padding in ((1, 0), (2, 1)):
        x = rng.normal(0, 1, (2, 4, 5, 2)).astype(dtype)
        channels = (3, 2) if name == "conv2d" else (2, 3)
        w = rng.normal(0, 1, (*channels, 3, 2)).astype(dtype)
        yield x, w, stride, padding


def vjp(f: Callable[..., Array], d: Array, arguments: tuple[Any, ...]) -> list[Array]:
    """Gradients of sum(d f) to the arrays among the arguments, by complex steps of 1e-30."""
    gradients = []
    for number, argument in enumerate(arguments):
        if not isinstance(argument, np.ndarray):
            continue
        gradient = np.empty(argument.shape)
        for place in np.ndindex(argument.shape):
            moved = [np.asarray(a, complex) if isinstance(a, np.ndarray) else a for a in arguments]
            moved[number][place] += 1e-30j
            gradient[place] = (d * f(*moved).imag).sum() / 1e-30
        gradients.append(gradient)
    return gradients


def _flat(arrays: Any) -> Array:
    """Several results as one row of numbers."""
    return np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in arrays])


def _values(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        for arguments in arguments_of(name, dtype):
            wide = [np.asarray(a, float) if isinstance(a, np.ndarray) else a for a in arguments]
            expected = LAYERS[name][0](*wide)
            tolerance = TOLERANCE[dtype] * abs(expected).max()
            yield ask(functions, name, arguments, expected, tolerance, pointwise=False)


def _gradients(functions: Functions, *, name: str) -> Iterator[Observation]:
    for arguments in arguments_of(name, "float64"):
        forward = LAYERS[name][0]
        d = np.random.default_rng(22).normal(0, 1, forward(*arguments).shape)
        yield _several(functions, f"{name}_backward", (d, *arguments), vjp(forward, d, arguments))


def _adam(functions: Functions) -> Iterator[Observation]:
    rng = np.random.default_rng(23)
    for step in (1, 2, 50):
        p, g, m = rng.normal(0, 1, (3, 5))
        v = rng.uniform(0, 1, 5) * g * g * 0.1 + (0 if step == 1 else 1e-6)
        m, v = (m * (step > 1), v * (step > 1))  # nothing is remembered before the first step
        g[0] = 1e-7  # at which epsilon counts
        arguments = p, g, m, v, step, 0.1, 0.8, 0.97, 1e-6
        yield _several(functions, "adam_step", arguments, adam_step(*arguments))


def _several(functions: Functions, name: str, arguments: Any, expected: Any) -> Observation:
    got, exact = _flat(functions[name](*arguments)), _flat(expected)
    read = "np.concatenate([np.ravel(a) for a in {}])"
    return beside(name, arguments, got, exact, 1e-9 * (1 + abs(exact)), pointwise=False, read=read)


def _laws() -> Iterator[Law]:
    for name, (_, equation, arguments) in LAYERS.items():
        yield Law(
            f"{name}.values", equation, (name,), "values at random arguments without symmetry",
            SUMS, "other models: weights of others compute something else",
            functools.partial(_values, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}_backward.values", equation, (f"{name}_backward",),
            f"gradients to {arguments}", "1e-9, relative and absolute, in float64",
            "wrong gradients in training", functools.partial(_gradients, name=name),
        )  # fmt: skip
    yield Law(
        "adam_step.values", "Kingma & Ba 2015, Algorithm 1", ("adam_step",),
        "p, m and v after the first, the second and the 50th step",
        "1e-9, relative and absolute, in float64", "steps of other sizes, the first ones most",
        _adam,
    )  # fmt: skip


LAWS = tuple(_laws())
