"""The models that come with the package, in `npuq/weights`, by quality or by hash.

Old compressed files name their model by its hash: what is taken out of that folder is entered in
`retired.py`.
"""

from __future__ import annotations

import functools
import operator
from pathlib import Path

from npuq.errors import ModelError, WrongModelError
from npuq.io.archive import read_manifest
from npuq.trained.hyperprior import HYPERPRIOR
from npuq.trained.linear import LINEAR
from npuq.trained.methods import check_method
from npuq.trained.model import Model
from npuq.trained.model_file import load_model
from npuq.trained.retired import where_to_find

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED_KINDS = (LINEAR.name, HYPERPRIOR.name)
"""Of the models that come with the package."""


@functools.lru_cache(maxsize=16)
def shipped_model(method: str, quality: int, kind: str = LINEAR.name) -> Model:
    """The model that comes with the package for a method and a quality.

    Args:
        method: "un+q", "un+uq" (one model, Sec. 5.1) or "un+uq+sr".
        quality: from 1 (smallest files) up, see `shipped_qualities`.
        kind: "linear" or "hyperprior".

    Raises:
        ModelError: no such method, quality or kind.
    """
    check_method(method)
    if kind not in SHIPPED_KINDS:
        raise ModelError(f"model must be one of {', '.join(SHIPPED_KINDS)}, not {kind!r}")
    if quality not in shipped_qualities(kind):
        known = ", ".join(map(str, shipped_qualities(kind)))
        raise ModelError(f"quality must be one of {known} for a {kind} model, not {quality!r}")
    family = "sr" if method == "un+uq+sr" else "un"
    return load_model(WEIGHTS / f"{kind}-{family}-{operator.index(quality)}.npz")


@functools.cache
def shipped_qualities(kind: str = LINEAR.name) -> tuple[int, ...]:
    """The qualities for which both models of a kind, UN and UN + SR, come with the package."""
    found = (
        {int(path.stem.rpartition("-")[2]) for path in WEIGHTS.glob(f"{kind}-{family}-*.npz")}
        for family in ("un", "sr")
    )
    return tuple(sorted(set.intersection(*found)))


def find_model(wanted: bytes, model: Model | None = None) -> Model:
    """The model with a hash: the one given, or else one that comes with the package.

    Raises:
        TypeError: `model` is no Model, but the name of one, say.
        WrongModelError: neither has that hash.
    """
    if model is not None:
        if not isinstance(model, Model):
            kind = type(model).__name__
            raise TypeError(f"model must be what npuq.load_model returns, not {kind}")
        if model.hash != wanted:
            raise WrongModelError(
                f"the file needs model {wanted.hex()}, but the given one ({model.name}) is "
                f"{model.hash.hex()}"
            )
        return model
    path = _shipped_paths().get(wanted)
    if path is None:
        raise WrongModelError(where_to_find(wanted))
    return _load_once(path)


@functools.cache
def _shipped_paths() -> dict[bytes, Path]:
    """Where the model of each hash is; only the manifests are read."""
    paths = {}
    for path in sorted(WEIGHTS.glob("*.npz")):
        paths[bytes.fromhex(read_manifest(path)["hash"])] = path
    return paths


@functools.lru_cache(maxsize=4)
def _load_once(path: Path) -> Model:
    return load_model(path)
