"""Lattice tables and arrays coded with them, version 1, stay decodable and are written the same."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from golden import make_lattice_golden as golden

from npuq.coding.dither import dither_integers
from npuq.latents.lattice_arrays import decode_vectors
from npuq.latents.lattice_points import LATTICES
from npuq.latents.lattice_tables_file import lattice_tables_to_bytes, load_lattice_tables

names = pytest.mark.parametrize("name", LATTICES)


@pytest.fixture(params=["fast", "reference"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


@names
def test_old_tables_are_read(name: str) -> None:
    tables, made = (
        load_lattice_tables(golden.HERE / f"lattice_tables_v1_{name}.npz"),
        golden.tables_of(name),
    )
    assert (tables.name, tables.step, tables.hash) == (f"golden {name}", 0.25, made.hash)
    np.testing.assert_array_equal(tables.weights, made.weights)
    for ours, theirs in zip(tables.integers, made.integers, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@names
def test_old_arrays_decode_to_the_numbers_that_they_are(name: str) -> None:
    """z less the dither is b (k + w / 2), w a word and k integers; and it is next to y."""
    tables = load_lattice_tables(golden.HERE / f"lattice_tables_v1_{name}.npz")
    data = (golden.HERE / f"lattice_v1_{name}.npua").read_bytes()
    decoded, end = decode_vectors(data, tables)
    y = golden.golden_array(name)
    assert end == len(data) and decoded.dtype == np.float32
    assert abs(decoded - y).max() < 1.1 * 0.25
    channels, n = y.shape[1], tables.lattice.dimensions
    dither = dither_integers((channels, 3, 21), seed=golden.SEED, tensor=golden.TENSOR)
    z = np.moveaxis(decoded, 1, 0).astype(np.float64).reshape(channels, 63)
    u = (2.0 * dither.reshape(channels, 63) - 255) / 512
    whole = 63 // n * n
    halves = 2 * (z / np.resize(tables.sides, 63) - u)
    assert abs(halves - np.rint(halves)).max() < 1e-3  # of a float32 up to 4096 steps of 1/4
    words = np.rint(halves[:, :whole]).astype(np.int64).reshape(-1, n) % 2
    found = {tuple(word) for word in words.tolist()}
    assert found == {tuple(word) for word in tables.lattice.words.tolist()}


@names
def test_the_same_bytes_are_written(name: str) -> None:
    data = golden.stream_of(name, golden.tables_of(name))
    assert data == (golden.HERE / f"lattice_v1_{name}.npua").read_bytes()


@names
def test_tables_are_written_as_they_were(name: str) -> None:
    """The members, in their order, compressed; their bytes are zlib's, which may change."""
    path = golden.HERE / f"lattice_tables_v1_{name}.npz"
    written = io.BytesIO(lattice_tables_to_bytes(load_lattice_tables(path)))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(written) as new:
        assert new.namelist() == old.namelist()
        for ours, theirs in zip(new.infolist(), old.infolist(), strict=True):
            assert (ours.compress_type, ours.date_time) == (theirs.compress_type, theirs.date_time)
            assert new.read(ours) == old.read(theirs)
