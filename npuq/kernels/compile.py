"""Compilation by Numba, cached on disk where that is possible; and the switch to plain code."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from npuq.errors import SettingError

F = TypeVar("F", bound=Callable[..., Any])


def use_reference() -> bool:
    """Whether the environment asks for the plain twins of all kernels.

    `NPUQ_KERNELS=reference` forces plain NumPy and plain Python; unset or `fast`, Numba compiles.
    Where Numba's own NUMBA_DISABLE_JIT=1 keeps it from compiling, the plain twins are far quicker.

    Raises:
        SettingError: `NPUQ_KERNELS` is something else.
    """
    setting = os.environ.get("NPUQ_KERNELS") or "fast"
    if setting not in ("fast", "reference"):
        raise SettingError(f"NPUQ_KERNELS must be fast or reference, not {setting!r}")
    return setting == "reference" or os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def jit(**options: Any) -> Callable[[F], F]:
    """Decorator: `numba.njit` without the GIL, cached on disk if a place for the cache is found.

    It imports Numba at once: modules that use it are themselves imported only when needed.

    Numba compiles anew when the function's own file changes, but not when a file does that it
    imports functions or constants from. Having edited `elementary.py`, `cdf_network.py` or
    `coding/tables.py`, delete `__pycache__/*.nb[ic]` beside the kernels, or an old one may run.
    """

    def decorate(function: F) -> F:
        import numba

        settings = {"nogil": True, **options}
        try:
            return numba.njit(cache=True, **settings)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # no place to keep the cache can be written to
            return numba.njit(**settings)(function)  # type: ignore[no-any-return]

    return decorate


def compiled(**options: Any) -> Callable[[F], F]:
    """Decorator: like `jit`, but on the first call, so that importing the module stays quick.

    The plain Python function remains at `.py_func`.
    """

    def decorate(function: F) -> F:
        @functools.cache
        def dispatcher() -> F:
            return jit(**options)(function)

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            return dispatcher()(*args)

        call.py_func = function  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate
