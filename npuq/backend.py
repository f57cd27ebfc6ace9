"""NumPy or CuPy: the array chooses. The one file that knows that CuPy exists."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""A NumPy array, or a CuPy array of the same meaning."""


def xp_of(x: Any) -> Any:
    """The module, `numpy` or `cupy`, whose functions take the array `x`.

    CuPy is looked up, never imported: an array of it can only exist once somebody has.
    """
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def scipy_special_of(x: Any) -> Any:
    """`scipy.special` for NumPy arrays, `cupyx.scipy.special` for CuPy arrays."""
    if xp_of(x) is np:
        import scipy.special

        return scipy.special
    import cupyx.scipy.special

    return cupyx.scipy.special


def has_cupy() -> bool:
    """Whether CuPy is installed and sees a device."""
    try:
        import cupy

        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except Exception:  # CuPy raises its own errors where there is no driver
        return False


def to_host(x: Any) -> Array:
    """The NumPy array of the same values; `x` itself if it is one."""
    return np.asarray(x) if xp_of(x) is np else x.get()


def to_device(x: Any, device: str = "cpu") -> Array:
    """The array on `device`, "cpu" or "cuda".

    Raises:
        ValueError: another device's name.
        RuntimeError: "cuda" where CuPy finds no device.
    """
    if device == "cpu":
        return to_host(x)
    if device != "cuda":
        raise ValueError(f"device must be 'cpu' or 'cuda', not {device!r}")
    if not has_cupy():
        raise RuntimeError("no CUDA device: install npuq[cuda12] or npuq[cuda13], or use 'cpu'")
    import cupy

    return cupy.asarray(x)
