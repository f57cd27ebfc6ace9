"""Writes files of tables and coded arrays of format version 1, of integers and powers of two only.

Run it only for a new format version, under a new name; what is there must stay decodable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from golden.make_coding_golden import PHASES, golden_symbols, golden_tables

from npuq.backend import Array
from npuq.latents.arrays import encode_array
from npuq.latents.tables import Tables, decisive_arrays, decisive_facts
from npuq.latents.tables_file import save_tables
from npuq.trained.fingerprint import hash_of

HERE = Path(__file__).parent
SEED, TENSOR = 0xFEDCBA9876543210, 3
METHODS = {"un+q": "q", "un+uq": "uq", "un+uq+sr": "sr"}


def channel_tables() -> Tables:
    """Nine channels, a quarter wide steps; phases that no alpha has."""
    return _hashed(Tables(golden_tables(), PHASES, 0.25, 2.0, None, "golden channels", b""))


def level_tables() -> Tables:
    """The same tables as nine levels of scales."""
    thresholds = (np.arange(1, 9, dtype=np.int64) ** 2) << 14
    return _hashed(Tables(golden_tables(), PHASES, 0.25, 2.0, thresholds, "golden levels", b""))


def golden_array() -> Array:
    """(12, 9, 7, 3) float32 in 1/32, channels along axis 1; ties, escapes and small numbers."""
    k = np.clip(golden_symbols(), -(1 << 16), 1 << 16)
    eighths = (k * 8 + np.arange(k.size).reshape(k.shape) % 9 - 4) / 32
    return np.moveaxis(eighths.reshape(9, 12, 7, 3), 0, 1).astype(np.float32)


def golden_scales() -> Array:
    return (np.arange(golden_array().size, dtype=np.int64) * 7919 % (80 << 14)).reshape(12, 9, 7, 3)


def streams(channels: Tables, levels: Tables) -> dict[str, bytes]:
    """By their file names."""
    found = {}
    for method, short in METHODS.items():
        options: dict[str, Any] = {"method": method, "seed": SEED, "tensor": TENSOR}
        y = golden_array()
        found[f"array_v1_{short}.npua"] = encode_array(y, channels, axis=1, **options)
        found[f"array_v1_scales_{short}.npua"] = encode_array(
            y.astype(np.float64), levels, scales=golden_scales(), means=0.125, **options
        )
    return found


def _hashed(tables: Tables) -> Tables:
    return tables._replace(hash=hash_of(decisive_facts(tables), decisive_arrays(tables)))


if __name__ == "__main__":
    save_tables(HERE / "tables_v1_channels.npz", channel_tables())
    save_tables(HERE / "tables_v1_levels.npz", level_tables())
    for name, data in streams(channel_tables(), level_tables()).items():
        (HERE / name).write_bytes(data)
