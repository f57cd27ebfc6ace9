"""Trees of arrays, nested (named) tuples, as flat dictionaries by name and back.

Adam, checkpoints and model files work on the flat form; models and operations on the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from npuq.backend import Array

Tree = TypeVar("Tree")


def named_arrays(tree: Any) -> dict[str, Array]:
    """The arrays of a tree by dotted path, such as "analysis" or "density.H.0", in tree order.

    Args:
        tree: a NamedTuple or tuple of arrays, None, and such tuples again; None holds nothing.

    Raises:
        TypeError: something in the tree is neither a tuple, an array nor None.
    """
    return dict(_walk(tree, ""))


def with_arrays(tree: Tree, arrays: Mapping[str, Array]) -> Tree:
    """The same tree with other arrays: the inverse of `named_arrays`.

    Args:
        tree: gives the structure and the shapes.
        arrays: by the names of `named_arrays(tree)`, all of them and no other.

    Returns:
        A tree of the type of `tree` that holds the given arrays themselves, not copies.

    Raises:
        KeyError: a name of the tree is missing.
        ValueError: an array has another shape than the tree's, or a name is not the tree's.
        TypeError: as in `named_arrays`.
    """
    unknown = sorted(arrays.keys() - named_arrays(tree).keys())
    if unknown:
        raise ValueError(f"arrays holds names that the tree does not have: {', '.join(unknown)}")
    return _rebuild(tree, arrays, "")


def cast(tree: Tree, dtype: Any) -> Tree:
    """The same tree with every array converted to another dtype.

    Args:
        tree: as in `named_arrays`.
        dtype: of all arrays of the result.
    """
    return with_arrays(tree, {name: a.astype(dtype) for name, a in named_arrays(tree).items()})


def scaled(tree: Tree, factors: Array) -> Tree:
    """The same tree with each entry of every array's first axis times a factor of its own.

    Args:
        tree: as in `named_arrays`.
        factors: (C,), where C is the length of all first axes; they take the dtype of the array.
    """

    def times(a: Array) -> Array:
        return a * factors.astype(a.dtype, copy=False).reshape(-1, *(1,) * (a.ndim - 1))

    return with_arrays(tree, {name: times(a) for name, a in named_arrays(tree).items()})


def shape_only(*shape: int) -> Array:
    """An array of zeros that takes no memory: what stands for a shape in a tree of parameters."""
    return np.broadcast_to(np.zeros((), np.float32), shape)


def _children(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The parts of a tuple, each with its path: a NamedTuple's by field, another's by index."""
    keys = getattr(tree, "_fields", range(len(tree)))
    for key, part in zip(keys, tree, strict=True):
        yield (f"{path}.{key}" if path else str(key)), part


def _walk(tree: Any, path: str) -> Iterator[tuple[str, Array]]:
    if isinstance(tree, tuple):
        for part_path, part in _children(tree, path):
            yield from _walk(part, part_path)
    elif hasattr(tree, "shape") and hasattr(tree, "dtype"):
        yield path, tree
    elif tree is not None:
        raise TypeError(f"{path or 'the tree'} is {type(tree).__name__}, not an array or a tuple")


def _rebuild(tree: Any, arrays: Mapping[str, Array], path: str) -> Any:
    if tree is None:
        return None
    if isinstance(tree, tuple):
        parts = [_rebuild(part, arrays, part_path) for part_path, part in _children(tree, path)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if path not in arrays:
        raise KeyError(f"arrays has no {path!r}")
    if arrays[path].shape != tree.shape:
        raise ValueError(f"{path} must have shape {tree.shape}, not {arrays[path].shape}")
    return arrays[path]
