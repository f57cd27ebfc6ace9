"""A stand-in for CuPy on machines without a GPU: NumPy inside, CuPy's refusals outside.

It refuses arrays of NumPy beside its own, implicit conversion, and whatever CuPy does not have: the
lists in `cupy_names.json` are those of CuPy 14.2. What CuPy has and nobody here has needed yet
raises NotImplementedError; add it then. It counts what a GPU would be asked for:

    launches        kernels, those within functions of CuPy as far as they are known
    own             those of them that are ours
    bytes           that they read and write; of ours, of each array once
    waits           of the host for the device
    to device       arrays that travel there
    graphs          that are launched, each once; `recording.py` has them

`install` puts it in the place of CuPy for one test, with the emulator as its `RawModule`.
"""

from __future__ import annotations

import collections
import json
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from gpu import cublas
from gpu.emulator import RawModule
from gpu.recording import (
    Graph,
    MemoryPool,
    Stream,
    fresh,
    is_captured,
    perform,
    refuse,
    using_allocator,
)

NAMES: dict[str, list[str]] = json.loads(Path(__file__).with_name("cupy_names.json").read_text())
COUNT: collections.Counter[str] = collections.Counter()


def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, which is `cupy` to all that import it until the test ends; counts are 0."""
    COUNT.clear()
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("npuq.kernels.cuda.cublas.library", lambda _: LIBRARY)
    return MODULES["cupy"]


def launched(kind: str, size: int, kernels: int = 1) -> None:
    """Count kernels and the bytes that they read and write."""
    COUNT["launches"] += kernels
    COUNT[kind] += kernels
    COUNT["bytes"] += size


def waited(array: ndarray) -> Any:
    """The values on the host, which has to wait for them."""
    refuse("the host waits for a number")
    COUNT["waits"] += 1
    return array.on_host


def sent() -> None:
    """Count an array that travels to the device."""
    refuse("an array of the host is copied")
    COUNT["to device"] += 1


def unwrapped(x: Any) -> Any:
    """What NumPy is given for an argument of one of CuPy's functions."""
    if isinstance(x, ndarray):
        return x.on_host
    if x is None or isinstance(x, (bool, int, float, complex, np.generic, np.dtype, type, str)):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def stored(array: Any) -> int:
    """Bytes that are read: not those that broadcasting repeats."""
    if not isinstance(array, np.ndarray) or not array.size:
        return 0
    repeated = zip(array.shape, array.strides, strict=True)
    return array.itemsize * math.prod(n for n, stride in repeated if stride)


class ndarray:  # noqa: N801  (as CuPy's)
    """An array on the device; its values lie on the host, in `on_host`."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: Any) -> None:
        self.on_host = values
        if isinstance(values, np.ndarray) and values.dtype == np.float32:
            cublas.remember(values)

    def __getattr__(self, name: str) -> Any:
        if name in NAMES["ndarray"]:
            raise NotImplementedError(f"the stand-in's arrays have no {name} yet")
        raise AttributeError(f"cupy.ndarray has no {name}")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or ufunc.__name__ not in NAMES["cupy"]:
            return NotImplemented
        return getattr(MODULES["cupy"], ufunc.__name__)(*inputs, **options)

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        if function.__name__ not in NAMES["cupy"]:
            raise TypeError(f"CuPy has no {function.__name__}")
        return getattr(MODULES["cupy"], function.__name__)(*args, **options)

    shape = property(lambda self: self.on_host.shape)
    dtype = property(lambda self: self.on_host.dtype)
    ndim = property(lambda self: self.on_host.ndim)
    size = property(lambda self: self.on_host.size)
    nbytes = property(lambda self: self.on_host.nbytes)
    itemsize = property(lambda self: self.on_host.itemsize)
    strides = property(lambda self: self.on_host.strides)
    flags = property(lambda self: self.on_host.flags)
    T = property(lambda self: ndarray(self.on_host.T))
    data = property(lambda self: types.SimpleNamespace(ptr=self.on_host.ctypes.data))

    def __len__(self) -> int:
        return len(self.on_host)

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"on device: {self.on_host!r}"

    def get(self) -> Any:
        return waited(self).copy()

    def item(self, *args: int) -> Any:
        return waited(self).item(*args)

    def tolist(self) -> Any:
        return waited(self).tolist()

    def __float__(self) -> float:
        return float(waited(self))

    def __int__(self) -> int:
        return int(waited(self))

    def __bool__(self) -> bool:
        return bool(waited(self))

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        values = self.on_host.reshape(*shape, order=order)
        if values.size and not np.shares_memory(values, self.on_host):
            launched("copy", 2 * values.nbytes)
            values = fresh(lambda: self.on_host.reshape(*shape, order=order))
        return ndarray(values)

    def ravel(self) -> ndarray:
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> ndarray:
        return ndarray(self.on_host.transpose(*axes))

    def swapaxes(self, i: int, j: int) -> ndarray:
        return ndarray(self.on_host.swapaxes(i, j))

    def view(self, dtype: Any = None) -> ndarray:
        return ndarray(self.on_host.view() if dtype is None else self.on_host.view(dtype))

    def copy(self, order: Any = "C") -> ndarray:
        launched("copy", 2 * self.nbytes)
        return ndarray(fresh(lambda: self.on_host.copy(order)))

    def astype(self, dtype: Any, *, order: Any = "K", copy: bool = True, **_: Any) -> ndarray:
        values = self.on_host.astype(dtype, order=order, copy=copy)
        if values is self.on_host:
            return self
        launched("copy", stored(self.on_host) + values.nbytes)
        return ndarray(fresh(lambda: self.on_host.astype(dtype, order=order)))

    def fill(self, value: Any) -> None:
        launched("elementwise", self.nbytes)
        perform(lambda: self.on_host.fill(unwrapped(value)))

    def set(self, values: Any) -> None:
        """Copy an array of the host into this one."""
        if not isinstance(values, np.ndarray) or values.dtype != self.dtype:
            raise TypeError(f"set takes an array of NumPy of {self.dtype}")
        sent()
        self.on_host[...] = values

    def __getitem__(self, key: Any) -> ndarray:
        key, gathers = _index(key)
        found = self.on_host[key]
        if gathers:
            launched("gather", 2 * np.asarray(found).nbytes, 2)
            found = fresh(lambda: self.on_host[key])
        elif not isinstance(found, np.ndarray):  # a view without axes, where NumPy makes a scalar
            found = self.on_host[(*key, ...) if isinstance(key, tuple) else (key, ...)]
        return ndarray(np.asarray(found))

    def __setitem__(self, key: Any, value: Any) -> None:
        key, scatters = _index(key)
        values, target = unwrapped(value), self.on_host[key]
        if values is target or not np.size(target):
            return
        size = np.asarray(target).nbytes + stored(values)
        launched("scatter" if scatters else "elementwise", size)
        perform(lambda: self.on_host.__setitem__(key, values))

    def _reduced(self, name: str, axis: Any, **options: Any) -> ndarray:
        options = {key: value for key, value in options.items() if value is not None}
        result = fresh(lambda: np.asarray(getattr(self.on_host, name)(axis=axis, **options)))
        launched("reduction", stored(self.on_host) + result.nbytes)
        return ndarray(result)

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("sum", axis, dtype=dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("mean", axis, dtype=dtype, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("min", axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("max", axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("any", axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("all", axis, keepdims=keepdims)

    def argmin(self, axis: Any = None) -> ndarray:
        return self._reduced("argmin", axis)

    def argmax(self, axis: Any = None) -> ndarray:
        return self._reduced("argmax", axis)

    def clip(self, low: Any = None, high: Any = None, out: Any = None) -> ndarray:
        return clip(self, low, high, out=out)

    def dot(self, other: Any) -> ndarray:
        return matmul(self, other)

    def __matmul__(self, other: Any) -> ndarray:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> ndarray:
        return matmul(other, self)


def _index(key: Any) -> tuple[Any, bool]:
    """A key that NumPy takes, and whether it gathers numbers rather than making a view."""
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if isinstance(part, (list, np.ndarray)):
            sent()
    gathers = any(isinstance(part, (list, np.ndarray, ndarray)) for part in parts)
    found = tuple(p.on_host if isinstance(p, ndarray) else p for p in parts)
    return (found if isinstance(key, tuple) else found[0]), gathers


def elementwise(function: Callable[..., Any]) -> Callable[..., ndarray]:
    """CuPy's function of the name of NumPy's: one kernel."""

    def call(*args: Any, out: Any = None, dtype: Any = None, **options: Any) -> Any:
        raw = [unwrapped(a) for a in args]

        def compute() -> Any:
            with np.errstate(all="ignore"):
                return function(*raw, **({} if dtype is None else {"dtype": dtype}), **options)

        result = compute()
        results = [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]
        read = {id(a): stored(a) for a in raw}
        launched("elementwise", sum(read.values()) + sum(r.nbytes for r in results))
        if out is None:
            if not isinstance(result, tuple):
                return ndarray(fresh(compute) if is_captured() else results[0])
            refuse("the stand-in cannot record a kernel of two results yet")
            return tuple(map(ndarray, results))
        (to,) = out if isinstance(out, tuple) else (out,)
        if not np.can_cast(results[0].dtype, unwrapped(to).dtype, "same_kind"):
            raise TypeError(f"output {results[0].dtype} could not be coerced to {to.dtype}")
        if is_captured():
            perform(lambda: to.on_host.__setitem__(..., compute()))
        else:
            to.on_host[...] = results[0]
        return to

    return call


OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
    "ne": np.not_equal, "neg": np.negative, "pos": np.positive, "abs": np.absolute,
    "invert": np.invert,
}  # fmt: skip


def _give_operators(name: str, call: Callable[..., Any]) -> None:
    setattr(ndarray, f"__{name}__", lambda self, *others: call(self, *others))
    if name in OPERATORS:
        setattr(ndarray, f"__r{name}__", lambda self, other: call(other, self))
        setattr(ndarray, f"__i{name}__", lambda self, other: call(self, other, out=self))


for _name, _ufunc in (OPERATORS | COMPARISONS).items():
    _give_operators(_name, elementwise(_ufunc))

clip = elementwise(lambda x, low=None, high=None: np.clip(x, low, high))


def asarray(x: Any, dtype: Any = None, order: Any = None) -> ndarray:
    """The array on the device; it travels there if it lies on the host."""
    if isinstance(x, ndarray):
        return x if dtype in (None, x.dtype) else x.astype(dtype)
    sent()
    return ndarray(np.array(x, dtype))


def ascontiguousarray(x: Any, dtype: Any = None) -> ndarray:
    """The array itself, or a copy in the order of C."""
    x = asarray(x, dtype)
    return x if x.flags.c_contiguous else x.copy()


def made_by(function: Callable[..., Any]) -> Callable[..., ndarray]:
    """A function that makes an array; one kernel, unless it leaves it as it is."""

    def call(*args: Any, **options: Any) -> ndarray:
        args = tuple(a.on_host if isinstance(a, ndarray) else a for a in args)
        if "empty" in function.__name__:
            return ndarray(function(*args, **options))
        result = fresh(lambda: function(*args, **options))
        launched("elementwise", result.nbytes)
        return ndarray(result)

    return call


def copied_by(function: Callable[..., Any]) -> Callable[..., ndarray]:
    """A function that moves numbers of one or several arrays to a new one."""

    def call(arrays: Any, *args: Any, **options: Any) -> ndarray:
        several = isinstance(arrays, (list, tuple))
        raw = [unwrapped(a) for a in arrays] if several else unwrapped(arrays)
        result = fresh(lambda: function(raw, *args, **options))
        launched("copy", 2 * result.nbytes, len(arrays) if several else 1)
        return ndarray(result)

    return call


def matmul(a: Any, b: Any, out: Any = None) -> ndarray:
    """A product by cuBLAS, which copies what it cannot read as it lies."""
    refuse_cublas()
    x, y = unwrapped(a), unwrapped(b)
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        raise TypeError("Unsupported type for a product")
    for z in (x, y):
        if not (z.flags.c_contiguous or (z.ndim <= 2 and z.flags.f_contiguous)):
            launched("copy", 2 * z.nbytes)
    result = np.asarray(x @ y)
    launched("product", x.nbytes + y.nbytes + result.nbytes)
    if out is None:
        return ndarray(result)
    out.on_host[...] = result
    return out  # type: ignore[no-any-return]


def tensordot(a: Any, b: Any, axes: Any = 2) -> ndarray:
    """Two copies and a product."""
    refuse_cublas()
    result = np.asarray(np.tensordot(unwrapped(a), unwrapped(b), axes))
    launched("copy", 2 * (a.nbytes + b.nbytes), 2)
    launched("product", a.nbytes + b.nbytes + result.nbytes)
    return ndarray(result)


def vdot(a: Any, b: Any) -> ndarray:
    """The sum of products, on the device."""
    launched("reduction", a.nbytes + b.nbytes, 2)
    return ndarray(fresh(lambda: np.asarray(np.vdot(unwrapped(a), unwrapped(b)))))


def refuse_cublas() -> None:
    """What CuPy says to a product while a stream is captured."""
    if Stream.captured is not None:
        raise NotImplementedError(
            "calling cuBLAS API during stream capture is currently unsupported"
        )


def nonzero(a: Any) -> tuple[ndarray, ...]:
    """How many there are, the host has to wait for."""
    launched("scan", stored(unwrapped(a)), 3)
    return tuple(ndarray(found) for found in np.nonzero(waited(a)))


def where(condition: Any, *both: Any) -> Any:
    """One kernel, or `nonzero`."""
    return elementwise(np.where)(condition, *both) if both else nonzero(condition)


def _module(name: str, own: dict[str, Any], functions: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    for known in NAMES.get(name, []):
        function = getattr(functions, known, None)
        if isinstance(function, np.ufunc):
            setattr(module, known, elementwise(function))
        elif isinstance(function, (type, int, float)):  # dtypes and constants
            setattr(module, known, function)
    for own_name, value in own.items():
        setattr(module, own_name, value)

    def missing(wanted: str) -> Any:
        if wanted in NAMES.get(name, []):
            raise NotImplementedError(f"the stand-in for {name} has no {wanted} yet")
        raise AttributeError(f"{name} has no {wanted}")

    module.__getattr__ = missing  # type: ignore[method-assign]
    return module


def _own() -> dict[str, Any]:
    makes = ("empty", "zeros", "ones", "full", "arange", "eye")
    like = ("empty_like", "zeros_like", "ones_like", "full_like")
    copies = ("concatenate", "stack", "pad", "cumsum", "sort", "repeat", "flip", "tile")
    own = {name: made_by(getattr(np, name)) for name in (*makes, *like)}
    own |= {name: copied_by(getattr(np, name)) for name in copies}
    for name in ("sum", "mean", "min", "max", "any", "all", "argmin", "argmax"):
        own[name] = lambda x, *a, _name=name, **k: getattr(x, _name)(*a, **k)
    return own | {
        "ndarray": ndarray, "asarray": asarray,
        "array": lambda x, dtype=None: asarray(x, dtype).copy(),
        "ascontiguousarray": ascontiguousarray, "asnumpy": lambda x: x.get(), "clip": clip,
        "where": where, "nonzero": nonzero, "flatnonzero": lambda x: nonzero(x.ravel())[0],
        "matmul": matmul, "dot": matmul, "tensordot": tensordot, "vdot": vdot,
        "broadcast_to": lambda x, shape: ndarray(np.broadcast_to(unwrapped(x), shape)),
        "split": lambda x, n, axis=0: [ndarray(part) for part in np.split(unwrapped(x), n, axis)],
        "searchsorted": elementwise(np.searchsorted), "RawModule": CountingModule,
        "result_type": lambda *x: np.result_type(*map(unwrapped, x)), "dtype": np.dtype,
        "newaxis": None,
    }  # fmt: skip


class CountingModule(RawModule):
    """The emulator's `RawModule`, whose launches are counted, as "own" as well."""

    def get_function(self, name: str) -> Any:
        refuse("a kernel is loaded")
        kernel = super().get_function(name)

        def launch(grid: Any, block: Any, args: Any) -> None:
            arrays = {id(a): a for a in args if isinstance(a, ndarray)}
            launched("own", sum(a.nbytes for a in arrays.values()))
            perform(lambda: kernel(grid, block, args))

        return launch


def _product(*args: Any) -> None:
    """A product by cuBLAS itself, whose arguments are numbers and addresses."""
    launched("product", cublas.gemm_strided_batched(*args, dry=True))
    alive = cublas.arrays() if is_captured() else []  # as long as the graph is
    perform(lambda: cublas.gemm_strided_batched(*args) and alive)


LIBRARY = cublas.Library(_product, lambda: Stream.current.ptr)
CUDA: dict[str, Any] = {
    "runtime": types.SimpleNamespace(
        getDeviceCount=lambda: 1, getDevice=lambda: 0, runtimeGetVersion=lambda: 13000
    ),
    "device": types.SimpleNamespace(get_cublas_handle=lambda: cublas.HANDLE),
    "cublas": types.SimpleNamespace(create=lambda: cublas.HANDLE),
    "alloc": lambda size: types.SimpleNamespace(ptr=0x7000, size=size),
    "Stream": Stream, "Graph": Graph, "MemoryPool": MemoryPool,
    "using_allocator": using_allocator, "get_current_stream": lambda: Stream.current,
}  # fmt: skip
Graph.launched = staticmethod(lambda: COUNT.update(graphs=1))
MODULES: dict[str, types.ModuleType] = {
    "cupy": _module("cupy", _own(), np),
    "cupy.cuda": _module("cupy.cuda", CUDA, None),
    "cupyx": _module("cupyx", {}, None),
    "cupyx.scipy": _module("cupyx.scipy", {}, None),
    "cupyx.scipy.special": _module("cupyx.scipy.special", {}, scipy.special),
}
MODULES["cupy"].cuda = MODULES["cupy.cuda"]  # type: ignore[attr-defined]
MODULES["cupyx"].scipy = MODULES["cupyx.scipy"]  # type: ignore[attr-defined]
MODULES["cupyx.scipy"].special = MODULES["cupyx.scipy.special"]  # type: ignore[attr-defined]
