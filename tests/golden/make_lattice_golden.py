"""Writes lattice tables and arrays coded with them, version 1, of integers and fractions only.

Run it only for a new format version, under a new name; what is there must stay decodable.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from golden.make_coding_golden import golden_tables

from npuq.backend import Array
from npuq.latents.lattice_arrays import encode_vectors
from npuq.latents.lattice_points import LATTICES
from npuq.latents.lattice_tables import LatticeTables, with_hash
from npuq.latents.lattice_tables_file import save_lattice_tables

HERE = Path(__file__).parent
SEED, TENSOR = 0xFEDCBA9876543210, 5
CHANNELS = {"Z": 9, "A2": 4, "D4": 9, "E8": 9}  # of nine tables, A2 has two for each


def tables_of(name: str) -> LatticeTables:
    """The tables of the coder's golden file, and weights of every size."""
    lattice = LATTICES[name]
    count = CHANNELS[name] * lattice.sides.size
    all_tables = golden_tables()
    ends = np.append(all_tables.begin, all_tables.values.size)
    integers = type(all_tables)(
        all_tables.values[: ends[count]], *(field[:count] for field in all_tables[1:])
    )
    places = np.arange(count * 256, dtype=np.int64).reshape(count, 256)
    weights = (1 + places * 7919 % 4095).astype(np.uint16)
    return with_hash(LatticeTables(lattice, integers, weights, 0.25, f"golden {name}", b""))


def golden_array(name: str) -> Array:
    """(3, C, 21) float32, channels along axis 1: 63 coefficients each, which no vector divides."""
    size = 3 * CHANNELS[name] * 21
    k = np.arange(size, dtype=np.int64) * 2654435761 % 1021 - 510
    far = np.where(np.arange(size) % 97 == 0, 1 << 10, 1)
    return (k * far / 128).astype(np.float32).reshape(3, CHANNELS[name], 21)


def stream_of(name: str, tables: LatticeTables) -> bytes:
    return encode_vectors(golden_array(name), tables, axis=1, seed=SEED, tensor=TENSOR)


if __name__ == "__main__":
    for name in LATTICES:
        save_lattice_tables(HERE / f"lattice_tables_v1_{name}.npz", tables_of(name))
        (HERE / f"lattice_v1_{name}.npua").write_bytes(stream_of(name, tables_of(name)))
