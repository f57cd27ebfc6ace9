"""State dicts of PyTorch as files: arrays by name, in `.npz`, or in PyTorch's own format.

`.npz` needs NumPy alone. The other format is read and written by PyTorch itself, which is imported
here and nowhere else in `npuq`, and never to run code that a file holds.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.errors import ModelError, missing_dependency
from npuq.io.archive import LARGEST, opened, total_bytes, write_archive
from npuq.io.atomic import write_bytes_atomically

TORCH_SUFFIXES = (".pth", ".pt", ".pth.tar")
WRAPPERS = ("state_dict", "network")  # under which training scripts keep it, beside other things


def read_state_dict(
    path: str | Path, check: Callable[[Mapping[str, Array]], None] | None = None
) -> dict[str, Array]:
    """The arrays of a state dict by name.

    Args:
        path: a `.npz` of arrays; or a `.pth`, `.pt` or `.pth.tar` of PyTorch, where the state dict
            may be wrapped under "state_dict" or "network".
        check: called with arrays of the right names, shapes and types before any is in memory, to
            refuse what is not wanted by an error of its own.

    Raises:
        ModelError: no such file, one of another kind, a damaged one, one that holds code, or one
            that would take more than a gigabyte.
        MissingDependencyError: PyTorch is needed and not installed.
    """
    torch = _torch_for(path)
    try:
        if torch is not None:
            return _read_torch(path, torch, check)
        with opened(path) as archive:
            _check(archive.shapes, check)
            return {name: archive.read(name) for name in archive.shapes}
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file") from None
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # damaged archives raise whatever zipfile and pickle come across
        raise ModelError(
            f"{path} is not a state dict, or is damaged, or holds other objects than arrays, "
            "which are not loaded"
        ) from error


def _check(
    shapes: Mapping[str, Array], check: Callable[[Mapping[str, Array]], None] | None
) -> None:
    if check is not None:
        check(shapes)
    if total_bytes(shapes) > LARGEST:
        raise ModelError(f"its arrays take {total_bytes(shapes)} bytes, more than {LARGEST}")


def _read_torch(
    path: str | Path, torch: Any, check: Callable[[Mapping[str, Array]], None] | None
) -> dict[str, Array]:
    """The arrays in PyTorch's own format, which it never compresses."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if any(member.compress_type != zipfile.ZIP_STORED for member in file.infolist()):
                raise ModelError("is compressed, as PyTorch does not do it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what wrote it and how: the values are checked
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    for key in WRAPPERS:
        loaded = loaded.get(key, loaded)
    views = {str(name): tensor.detach() for name, tensor in loaded.items()}
    for name, tensor in views.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ModelError(f"{name} has {tensor.numel()} values, more than the file holds")
    _check({name: _shape_of(tensor, torch) for name, tensor in views.items()}, check)
    return {name: _to_numpy(tensor) for name, tensor in views.items()}


def write_state_dict(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write a file that `read_state_dict` reads, whole or not at all; its name says which.

    Raises:
        ModelError: the name has another ending.
        MissingDependencyError: PyTorch is needed and not installed.
        NpuqError: the folder does not exist or cannot be written.
    """
    torch = _torch_for(path)
    if torch is None:
        write_archive(path, arrays, compress=False)
        return
    written = io.BytesIO()  # in memory: PyTorch's errors of a full disk are no OSError
    torch.save({k: torch.from_numpy(a.copy()) for k, a in arrays.items()}, written)
    write_bytes_atomically(path, written.getvalue())


def stem(path: str | Path) -> str:
    """The name of the file without its ending.

    Raises:
        ModelError: it has another ending than those of state dicts.
    """
    name = Path(path).name
    for suffix in (".npz", *TORCH_SUFFIXES):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    raise ModelError(f"{path}: must end in .npz, .pth, .pt or .pth.tar, as state dicts do")


def _torch_for(path: str | Path) -> Any:
    """PyTorch if the file is of its format, or else None."""
    stem(path)
    if str(path).endswith(".npz"):
        return None
    try:
        import torch
    except ImportError as error:
        raise missing_dependency(f"{path}: this format", "PyTorch", "crosscheck", error) from error
    return torch


def _shape_of(tensor: Any, torch: Any) -> Array:
    """The shape and the type that `_to_numpy` gives, taking no memory."""
    one = torch.zeros(1, dtype=tensor.dtype)
    return np.broadcast_to(_to_numpy(one)[0], tuple(tensor.shape))


def _to_numpy(tensor: Any) -> Array:
    """The tensor's values; NumPy has no bfloat16."""
    array: Array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array
