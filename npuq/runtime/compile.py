"""Compilation by Numba, cached on disk where that is possible; and the switch to plain code."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import warnings
import zlib
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

    It imports Numba at once: modules that use it are themselves imported only when needed. A cache
    that is damaged or cannot be written to costs the time of compiling anew, and nothing else.

    Numba compiles anew when the function's own file changes, but not when a file does that it
    imports functions or constants from. Having edited `elementary.py`, `cdf_network.py`,
    `coding/tables.py`, `coding/intervals.py`, `nn/normal.py` or `nn/winograd.py`, delete
    `__pycache__/*.nb[ic]` beside the kernels, or an old one may run.
    """

    def decorate(function: F) -> F:
        import numba

        dispatcher = numba.njit(**{"nogil": True, **options})(function)
        with contextlib.suppress(RuntimeError, OSError):  # no place for a cache can be written to
            dispatcher._cache = _forgiving_cache()(function)
        return dispatcher

    return decorate


@functools.cache
def _forgiving_cache() -> Any:
    """Numba's cache of a function, but whose files may be damaged and whose disk may be full.

    A checksum goes with the machine code: damaged, it would not be seen to be wrong until it runs.
    """
    from numba.core.caching import CompileResultCacheImpl, FunctionCache
    from numba.core.serialize import dumps

    class Checked(CompileResultCacheImpl):
        def reduce(self, result: Any) -> Any:
            data = dumps(super().reduce(result))
            return zlib.crc32(data), data

        def rebuild(self, target: Any, reduced: Any) -> Any:
            checksum, data = reduced
            if zlib.crc32(data) != checksum:
                raise ValueError("the checksum does not match")
            return super().rebuild(target, pickle.loads(data))

    class Forgiving(FunctionCache):
        _impl_class = Checked

        def load_overload(self, signature: Any, target: Any) -> Any:
            try:
                return super().load_overload(signature, target)
            except Exception:  # damaged pickles raise almost anything
                with contextlib.suppress(OSError):
                    self.flush()  # an empty index, which the function is entered into again
                return None

        def save_overload(self, signature: Any, result: Any) -> None:
            try:
                super().save_overload(signature, result)
            except Exception as error:
                warnings.warn(
                    f"{self.cache_path}: compiled code cannot be kept there ({error}); "
                    "it is compiled anew each time",
                    RuntimeWarning,
                    stacklevel=2,
                )

    return Forgiving


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

        called: Any = call
        called.py_func = function
        return called

    return decorate
