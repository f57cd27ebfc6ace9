"""NumPy or CuPy: the array chooses. The one file that knows that CuPy exists."""

from __future__ import annotations

import functools
import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npuq.errors import DeviceError, NoDeviceError

DEVICES = ("cpu", "cuda", "auto")
"""Names of devices; "auto" is "cuda" where that can be used, and otherwise "cpu"."""

Array: TypeAlias = npt.NDArray[Any]
"""A NumPy array, or a CuPy array of the same meaning."""
Scalar: TypeAlias = Array | float
"""One number: without dimensions in the library of the arrays it was computed from, or Python's.

On a device it stays there: `float` of it makes the host wait for all that was launched before."""


def xp_of(*arrays: Any) -> Any:
    """The module, `numpy` or `cupy`, whose functions take these arrays.

    CuPy is looked up, never imported: an array of it can only exist once somebody has.

    Raises:
        DeviceError: some lie on the host and some on a CUDA device.
    """
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return np
    places = [isinstance(x, cupy.ndarray) for x in arrays]
    if any(places) and not all(places):
        here, there = places.index(False), places.index(True)
        raise DeviceError(
            f"array {here + 1} of {len(places)} lies on the host and array {there + 1} on a CUDA "
            "device; move one with npuq.backend.to_device or to_host"
        )
    return cupy if any(places) else np


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
    """Whether CuPy is installed, sees a device and multiplies matrices there."""
    return why_no_cupy() is None


def why_no_cupy() -> str | None:
    """What keeps CuPy from computing on a device, and what to do about it; None if nothing does."""
    try:
        import cupy
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            return "CuPy is not installed: install npuq[cuda12] or npuq[cuda13]"
        return f"CuPy cannot be loaded: {error}"
    return _why_it_fails(cupy)


@functools.cache
def _why_it_fails(cupy: Any) -> str | None:
    """The same of a CuPy that is imported; tried once, as a product takes a while to set up."""
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own errors where there is no driver
        return f"CuPy finds no CUDA device: {error}"
    if not devices:
        return "CuPy finds no CUDA device"
    try:
        ones = cupy.ones((2, 2), np.float32)
        right = float((ones @ ones).sum()) == 8
    except Exception as error:
        return (
            f"CuPy cannot multiply matrices, as a library is missing or does not fit: {error}; "
            "install npuq[cuda12] or npuq[cuda13], which bring cuBLAS"
        )
    return None if right else "CuPy multiplies matrices wrongly: look at the driver's version"


def to_host(x: Any) -> Array:
    """The NumPy array of the same values; `x` itself if it is one."""
    return np.asarray(x) if xp_of(x) is np else x.get()


def to_device(x: Any, device: str = "cpu") -> Array:
    """The array on `device`, one of DEVICES.

    Raises:
        ValueError, NoDeviceError: as `usable_device`.
    """
    if device == "cpu" or usable_device(device) == "cpu":
        return to_host(x)
    import cupy

    return cupy.asarray(x)


def to_array(x: Array, out: Any) -> None:
    """Copy an array of the host into one that lies anywhere, of the same shape and dtype."""
    if xp_of(out) is np:
        out[...] = x
    else:
        out.set(x)


def usable_device(device: str) -> str:
    """The device of a name of DEVICES: "cpu" or "cuda", which then can be used.

    Raises:
        ValueError: another name.
        NoDeviceError: "cuda" where CuPy cannot compute on a device; the message says why.
    """
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
    if device == "cpu":
        return "cpu"
    why_not = why_no_cupy()
    if why_not is None:
        return "cuda"
    if device == "auto":
        return "cpu"
    raise NoDeviceError(f"no CUDA device can be used, but 'cpu' can: {why_not}")


def device_of(x: Any) -> str:
    """Where an array lies, "cpu" or "cuda"."""
    return "cpu" if xp_of(x) is np else "cuda"
