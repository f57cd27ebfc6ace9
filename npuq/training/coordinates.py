"""Coordinates in which Adam moves the transforms of both models.

Adam scales each weight's step by its own gradient, so it works best where weights are of one size
and independent. Pixels of a block are neither; DCT coefficients of opponent colours nearly are. The
trained weights of the linear model are therefore W' and V' with

    W = W' F / D,   V = D V' F,

F the orthonormal `block_dct` (or the identity, for "pixel" coordinates) and D the initial
quantization step in grey levels. In the hyperprior model the taps of each kernel are taken into
their orthonormal DCT, along rows and along columns (Ballé 2018, "Efficient nonlinear transforms for
lossy image compression", PCS). Only training sees such coordinates: models are saved as they are.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.models.hyperprior import HyperpriorParams
from npuq.models.linear import CHANNELS, LinearParams
from npuq.nn.initialize import block_dct, dct_basis
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.nn.products import product


class Coordinates(NamedTuple):
    """F / D and D F, both (192, 192)."""

    analysis: Array
    synthesis: Array


def coordinates(kind: str, step: float) -> Coordinates:
    """Coordinates of a kind, "frequency" or "pixel", at a quantization step (Sec. 5.1).

    Args:
        kind: of the basis F.
        step: D, grey levels.

    Raises:
        ValueError: another kind.
    """
    if kind not in ("frequency", "pixel"):
        raise ValueError(f"coordinates must be 'frequency' or 'pixel', not {kind!r}")
    F = block_dct() if kind == "frequency" else np.eye(CHANNELS)
    return Coordinates(F / step, F * step)


def to_model(trained: LinearParams, basis: Coordinates) -> LinearParams:
    """The model that the trained weights stand for: W = W' F / D, V = D V' F (Sec. 5.1)."""
    return trained._replace(
        analysis=_times(trained.analysis, basis.analysis),
        synthesis=_times(trained.synthesis, basis.synthesis),
    )


def to_model_backward(
    d_model: LinearParams, trained: LinearParams, basis: Coordinates
) -> LinearParams:
    """Gradients of `to_model` (Sec. 5.1): those of the model times the transposes.

    The map is linear, so that they do not depend on `trained`.
    """
    return trained._replace(
        analysis=_times(d_model.analysis, basis.analysis.T),
        synthesis=_times(d_model.synthesis, basis.synthesis.T),
        density=d_model.density,
    )


def from_model(params: LinearParams, basis: Coordinates) -> LinearParams:
    """The inverse of `to_model`; F is orthonormal, so F / D and D F are inverse transposes."""
    return params._replace(
        analysis=_times(params.analysis, basis.synthesis.T),
        synthesis=_times(params.synthesis, basis.analysis.T),
    )


def _times(weights: Array, matrix: Array) -> Array:
    square = weights.reshape(CHANNELS, CHANNELS)
    return product(square, matrix.astype(weights.dtype, copy=False)).reshape(weights.shape)


def kernel_frequencies(params: HyperpriorParams) -> HyperpriorParams:
    """Every kernel w (..., k, k) as its two-dimensional DCT, C w C^T (Ballé 2018).

    C is orthonormal. So gradients change by the same product, and lengths do not change.

    Args:
        params: parameters, or gradients with respect to them.
    """
    return _kernels_times(params, transposed=False)


def kernels_of_frequencies(params: HyperpriorParams) -> HyperpriorParams:
    """The inverse of `kernel_frequencies`: kernels of their DCTs (Ballé 2018)."""
    return _kernels_times(params, transposed=True)


def _kernels_times(params: HyperpriorParams, *, transposed: bool) -> HyperpriorParams:
    arrays = named_arrays(params)
    for name, w in arrays.items():
        if w.ndim == 4:
            k = w.shape[-1]
            basis = _kernel_basis(xp_of(w), k, w.dtype)
            matrix = basis if transposed else basis.T
            arrays[name] = product(w.reshape(-1, k * k), matrix).reshape(w.shape)
    return with_arrays(params, arrays)


@functools.cache
def _kernel_basis(xp: Any, k: int, dtype: np.dtype[Any]) -> Array:
    """C (x) C, which makes the DCTs of all kernels at once, once for each device."""
    return xp.asarray(np.kron(dct_basis(k), dct_basis(k)).astype(dtype))
