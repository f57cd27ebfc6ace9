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


def check_unmasked(x: Any, name: str) -> None:
    """Refuse a masked array: its mask would be lost without a word.

    Raises:
        TypeError: `x` is one.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill it first (numpy.ma.filled)")


def floats(x: Any, name: str, like: Array | None = None) -> Array:
    """`x` as an array of real floating-point numbers; float32 and float64 arrays pass as they are.

    Args:
        x: an array, or numbers: a scalar or nested lists.
        name: what the message calls it.
        like: the array whose library Python's numbers join, and whose dtype they and integers take;
            without it they become float64 on the host.

    Raises:
        TypeError: half, extended or complex precision, no numbers at all, or a masked array.
    """
    check_unmasked(x, name)
    is_array = hasattr(x, "dtype")
    array = xp_of(x if is_array else like).asarray(x)
    if array.dtype.kind in "biu" or (array.dtype == np.float64 and not is_array):
        return array.astype(np.float64 if like is None else like.dtype)
    if array.dtype.char not in "fd":
        raise TypeError(f"{name} must be float32, float64 or integers, not {array.dtype}")
    return array


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
