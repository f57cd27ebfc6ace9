"""Which code computes: the plain function, or a fast twin of it. The one place that decides.

The plain function is the one to read; `@has_twins` above it says that there are others. A twin has
the same name and the same arguments. It lives in the module of the same name under
`npuq.kernels.cpu` or `npuq.kernels.cuda`, and says with `@takes` which arrays it is for. So the
choice follows from the arrays alone:

    where they lie      the host: kernels/cpu; a CUDA device: kernels/cuda
    what they hold      the dtypes that the twin takes: all of one, or each of its own
    anything else       what the twin's own `when` says of the arguments

If there is no such twin, or it does not take them, or `NPUQ_KERNELS=reference` is set, the plain
function computes. Twins are imported when they are first needed, which compiles nothing else.

A backward function that is given what its forward kept is bound to it: whoever kept something reads
it, as a twin may keep other things than the plain function, and keeps them to itself.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from npuq.backend import xp_of
from npuq.runtime.compile import use_reference

F = TypeVar("F", bound=Callable[..., Any])
PLACES = {"numpy": "npuq.kernels.cpu", "cupy": "npuq.kernels.cuda"}
"""The folders of twins, by the library of the arrays."""


def has_twins(
    *,
    check: Callable[..., Any] | None = None,
    returns: Callable[..., Any] | None = None,
    kept: type | None = None,
) -> Callable[[F], F]:
    """Decorator of a plain function: a fast twin computes in its place where one takes the arrays.

    The plain function itself stays at `.plain`.

    Args:
        check: called with the arguments first, whoever computes: compiled loops look at no bounds.
        returns: the NamedTuple that the plain function returns, if it does. Its twins, which know
            nothing of models, return the members of it in a tuple.
        kept: of a backward function, the type of what its plain forward keeps for it. Given that,
            the plain function computes, and given anything else, the twin whose forward kept it.
    """

    def decorate(function: F) -> F:
        module, name = function.__module__.rpartition(".")[2], function.__name__

        @functools.wraps(function)
        def choose(*args: Any, **static: Any) -> Any:
            arrays = arrays_in((args, *static.values()))
            place = xp_of(*arrays)  # refuses those of two devices
            if check is not None:
                check(*args, **static)
            if kept is None:
                asks = not use_reference()
            else:
                asks = not any(isinstance(value, kept) for value in (*args, *static.values()))
            twin: Any = twin_of(module, name, place) if arrays and asks else None
            if twin is not None and twin.takes(args, static, arrays):
                result = twin(*args, **static)
                return result if returns is None else returns(*result)
            return function(*args, **static)

        chosen: Any = choose
        chosen.plain = function
        return chosen

    return decorate


def takes(
    *dtypes: Any, when: Callable[..., bool] | None = None, kept: type | None = None
) -> Callable[[F], F]:
    """Decorator of a twin: it computes where the arrays are of these dtypes.

    Args:
        dtypes: each a dtype that all arrays have, in the arguments and in the tuples among them; or
            a tuple of dtypes, those of the arrays one by one.
        when: asked last, with the arguments of the twin.
        kept: of a backward function instead of dtypes, the type of what the forward twin keeps.
    """
    for_all = {np.dtype(dtype) for dtype in dtypes if not isinstance(dtype, tuple)}
    one_by_one = [[np.dtype(d) for d in dtype] for dtype in dtypes if isinstance(dtype, tuple)]

    def decorate(function: F) -> F:
        def answer(
            args: tuple[Any, ...], static: dict[str, Any], arrays: list[Any] | None = None
        ) -> bool:
            if kept is not None:
                return any(isinstance(value, kept) for value in (*args, *static.values()))
            if arrays is None:
                arrays = arrays_in((args, *static.values()))
            found = [array.dtype for array in arrays]
            fits = found in one_by_one or (len(set(found)) == 1 and found[0] in for_all)
            return fits and (when is None or when(*args, **static))

        twin: Any = function
        twin.takes = answer
        return function

    return decorate


def arrays_in(value: Any) -> list[Any]:
    """The arrays in arguments: themselves, or in tuples, NamedTuples and lists of them.

    It is called for every piece of a stream, and written so that it takes microseconds.
    """
    found: list[Any] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Any]) -> None:
    if isinstance(value, np.ndarray):
        found.append(value)
    elif isinstance(value, tuple | list):
        for part in value:
            _collect(part, found)
    elif hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic):
        found.append(value)  # of CuPy; but not numbers of NumPy's


@functools.cache
def twin_of(module: str, name: str, place: ModuleType) -> Callable[..., Any] | None:
    """The twin of a function for the library of its arrays, if there is one.

    `NPUQ_WITHOUT_TWINS` names modules, or functions as module.function, that go without, by commas;
    it is looked at when a twin is first needed.
    """
    without = os.environ.get("NPUQ_WITHOUT_TWINS", "").split(",")
    if module in without or f"{module}.{name}" in without:
        return None
    folder = PLACES[place.__name__]
    path = f"{folder}.{module}"
    if importlib.util.find_spec(folder) is None or importlib.util.find_spec(path) is None:
        return None
    return getattr(importlib.import_module(path), name, None)
