"""How arrays cross over to a framework and back, and how it differentiates.

Frameworks are imported when they are named, by nobody else in this room. Nothing of npuq is:
`worker.py` runs this file in other interpreters.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Spelling(NamedTuple):
    """How lines of code use a framework."""

    name: str
    """Empty for NumPy."""
    imports: str
    """What a line begins with."""
    array: str
    """Code for one of its arrays, made of that for a NumPy array."""
    gradient: str = ""
    """Code for the gradients of function f at arrays x, with numbers behind them."""


SPELLINGS = {
    "": Spelling("", "import numpy as np", "{}"),
    "torch": Spelling(
        "torch", "import numpy as np, torch", "torch.tensor({})",
        "x = [a.requires_grad_() for a in [{x}]]; "
        "print(torch.autograd.grad({f}(*x{numbers}), x, {d}))",
    ),
    "jax": Spelling(
        "jax", "import numpy as np, jax; jax.config.update('jax_enable_x64', True)",
        "jax.numpy.asarray({})",
        "print(jax.vjp(lambda *x: {f}(*x{numbers}), {x})[1]({d}))",
    ),
    "tensorflow": Spelling(
        "tensorflow", "import numpy as np, tensorflow as tf", "tf.constant({})",
        "x = [{x}]; t = tf.GradientTape(); t.__enter__(); t.watch(x); y = {f}(*x{numbers}); "
        "print(t.gradient(y, x, {d}))",
    ),
}  # fmt: skip


class Framework(NamedTuple):
    """A library of arrays, at work."""

    wrap: Callable[[Any], Any]
    unwrap: Callable[[Any], Any]
    gradients: Callable[[Callable[..., Any], Any, list[Any]], list[Any]] | None
    """(f, d, arguments, all wrapped) -> the gradient of sum(d f) to each array among them."""
    scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext


def load(name: str | None) -> Framework:
    """The framework of a name; None is NumPy.

    Raises:
        ValueError: there is no such framework.
        ImportError: it is not installed.
    """
    makers = {None: _numpy, "torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
    if not (name is None or isinstance(name, str)) or name not in makers:
        raise ValueError(f"framework must be torch, jax or tensorflow, not {name!r}")
    try:
        return makers[name]()
    except ImportError as error:
        raise ImportError(f"framework {name} cannot be imported: {error}") from error


def adapted(
    functions: Mapping[str, Callable[..., Any]],
    framework: Framework,
    differentiable: Iterable[str],
    with_expected_gradients: Iterable[str],
) -> dict[str, Callable[..., Any]]:
    """The same functions, of NumPy arrays; with the gradients that the framework can take.

    Args:
        functions: by the names of the list.
        framework: whose arrays they take.
        differentiable: names of those whose gradients `NAME_backward` are.
        with_expected_gradients: names of those that may have another, `NAME_backward_expected`,
            which is that of `NAME_expected`.
    """
    all_of_them = {name: _adapted(function, framework) for name, function in functions.items()}
    if framework.gradients is not None:
        own = {f"{name}_backward": functions.get(name) for name in differentiable}
        for name in with_expected_gradients:
            own[f"{name}_backward_expected"] = functions.get(f"{name}_expected")
        for name, forward in own.items():
            if forward is not None and name not in functions:
                only_first = name.endswith("_expected")
                all_of_them[name] = _differentiated(forward, framework, only_first)
    return all_of_them


def _adapted(function: Callable[..., Any], framework: Framework) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with _quiet(), framework.scope():
            return _unwrapped(function(*_wrapped(arguments, framework)), framework)

    return call


def _differentiated(
    forward: Callable[..., Any], framework: Framework, only_first: bool
) -> Callable[..., Any]:
    gradients = framework.gradients
    assert gradients is not None

    def backward(d: Any, *arguments: Any) -> Any:
        with _quiet(), framework.scope():
            found = gradients(forward, framework.wrap(d), _wrapped(arguments, framework))
            found = [np.asarray(framework.unwrap(g)) for g in found]
        return found[0] if only_first or len(found) == 1 else tuple(found)

    return backward


def _wrapped(arguments: Any, framework: Framework) -> list[Any]:
    return [framework.wrap(a) if isinstance(a, np.ndarray) else a for a in arguments]


def _unwrapped(result: Any, framework: Framework) -> Any:
    """Results of one's own: a target may write its next one to the same place."""
    if isinstance(result, (bytes, bytearray)):  # of which NumPy would make text without its end
        return np.frombuffer(bytes(result), np.uint8)
    if isinstance(result, (tuple, list)):
        parts = tuple(np.array(framework.unwrap(part)) for part in result)
        several = any(part.ndim for part in parts)
        return parts if several else np.array(parts)  # else numbers of one result
    return np.array(framework.unwrap(result))


@contextlib.contextmanager
def _quiet() -> Any:
    """What a target warns of, as of 0 / 0, shows in its values."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _numpy() -> Framework:
    return Framework(np.array, np.asarray, None)


def _torch() -> Framework:
    import torch

    def unwrap(result: Any) -> Any:
        return result.detach().cpu().numpy() if isinstance(result, torch.Tensor) else result

    def gradients(f: Callable[..., Any], d: Any, arguments: list[Any]) -> list[Any]:
        leaves = [a.requires_grad_() if isinstance(a, torch.Tensor) else a for a in arguments]
        result = f(*leaves)
        arrays = [a for a in leaves if isinstance(a, torch.Tensor)]
        if not result.requires_grad:  # nothing depends on them, by the framework's own account
            return [torch.zeros_like(a) for a in arrays]
        return list(torch.autograd.grad(result, arrays, d, materialize_grads=True))

    return Framework(torch.tensor, unwrap, gradients)


def _jax() -> Framework:
    import jax

    def gradients(f: Callable[..., Any], d: Any, arguments: list[Any]) -> list[Any]:
        places = [i for i, a in enumerate(arguments) if isinstance(a, jax.Array)]

        def of_arrays(*arrays: Any) -> Any:
            filled = list(arguments)
            for number, place in enumerate(places):
                filled[place] = arrays[number]
            return f(*filled)

        return list(jax.vjp(of_arrays, *(arguments[i] for i in places))[1](d))

    def scope() -> Any:  # float64 is float32 without it
        if hasattr(jax, "enable_x64"):
            return jax.enable_x64(True)
        from jax.experimental import enable_x64

        return enable_x64(True)

    return Framework(jax.numpy.asarray, np.asarray, gradients, scope)


def _tensorflow() -> Framework:
    import tensorflow as tf

    def unwrap(result: Any) -> Any:
        return result.numpy() if hasattr(result, "numpy") else result

    def gradients(f: Callable[..., Any], d: Any, arguments: list[Any]) -> list[Any]:
        arrays = [a for a in arguments if isinstance(a, tf.Tensor)]
        with tf.GradientTape() as tape:
            for array in arrays:
                tape.watch(array)
            result = f(*arguments)
        zero = tf.UnconnectedGradients.ZERO
        return list(tape.gradient(result, arrays, d, unconnected_gradients=zero))

    return Framework(tf.constant, unwrap, gradients)
