"""What decoding depends on, by name, and the hash of it that names the model in every file.

Integer layers are left out, as they follow from the parameters; so are the model's name, lambda and
history, which are free.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import tables_to_arrays
from npuq.nn.parameters import named_arrays
from npuq.trained.model import Model

FORMAT = 1
"""Of model files."""
HASH_BYTES = 8


def decisive_facts(model: Model) -> dict[str, Any]:
    """What the manifest of a model file says that decoding depends on."""
    return {"format": FORMAT, "kind": model.kind, "alpha": model.alpha, "alpha_r": model.alpha_r}


def decisive_arrays(model: Model) -> dict[str, Array]:
    """The arrays that decoding depends on, by their names in a model file.

    There the medians are called "offset", and nowhere else: it is the word of format 1.
    """
    arrays = named_arrays(model.params)
    arrays |= {f"tables.{name}": a for name, a in tables_to_arrays(model.tables).items()}
    arrays["phases"] = model.phases
    if model.hyper is not None:
        tables = tables_to_arrays(model.hyper.tables)
        arrays |= {f"hyper_tables.{name}": a for name, a in tables.items()}
    if model.medians is not None:
        arrays["offset"] = model.medians
    if model.hyper is not None:
        arrays["thresholds"] = model.hyper.scales.thresholds
    return arrays


def model_hash(model: Model) -> bytes:
    """The first 8 bytes of a SHA-256 over what decoding depends on."""
    return hash_of(decisive_facts(model), decisive_arrays(model))


def hash_of(facts: dict[str, Any], arrays: dict[str, Array]) -> bytes:
    """The first 8 bytes of a SHA-256 over the decisive part of a manifest, and all arrays.

    Of these names, types, shapes and little-endian contents.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()[:HASH_BYTES]
