"""The matrix product, as a function: on a CUDA device it has a twin that a graph can record."""

from __future__ import annotations

from npuq.backend import Array
from npuq.runtime.twins import has_twins


def _check(a: Array, b: Array) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a and b must be (m, k) and (k, n), not {a.shape} and {b.shape}")


@has_twins(check=_check)
def product(a: Array, b: Array) -> Array:
    """The product of two matrices, (m, k) and (k, n). It has a twin for CUDA devices.

    Raises:
        ValueError: other shapes.
    """
    return a @ b
