"""Files of tables and coded arrays of format version 1 stay decodable, and are written the same."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from golden import make_array_golden as golden

from npuq.coding.dither import dither_integers
from npuq.latents.arrays import decode_array
from npuq.latents.tables_file import load_tables, tables_to_bytes


@pytest.fixture(params=["fast", "reference"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


def test_old_tables_are_read() -> None:
    for name, made, digest in (
        ("channels", golden.channel_tables(), "e6c64491456b1420"),
        ("levels", golden.level_tables(), "246762b3e854fdbf"),
    ):
        tables = load_tables(golden.HERE / f"tables_v1_{name}.npz")
        assert (tables.name, tables.step, tables.alpha) == (f"golden {name}", 0.25, 2.0)
        assert tables.hash == made.hash and tables.hash.hex() == digest
        for ours, theirs in zip(tables.integers, made.integers, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("method", golden.METHODS)
def test_old_arrays_decode(method: str) -> None:
    """To within half a step; plain dithering and rounding to the number that they are."""
    y, short = golden.golden_array(), golden.METHODS[method]
    grid = np.moveaxis(y, 1, 0).reshape(9, 84, 3)
    n = dither_integers(grid.shape, seed=golden.SEED, tensor=golden.TENSOR)
    u = 0.0 if method == "un+q" else (2.0 * n - 255) / 512
    for name, dtype in (("channels", np.float32), ("levels", np.float64)):
        tables = load_tables(golden.HERE / f"tables_v1_{name}.npz")
        is_level = name == "levels"
        data = (golden.HERE / f"array_v1{'_scales' * is_level}_{short}.npua").read_bytes()
        options = {"scales": golden.golden_scales(), "means": 0.125} if is_level else {}
        decoded, end = decode_array(data, tables, **options)
        assert end == len(data) and decoded.dtype == dtype
        if method == "un+uq+sr":
            # phases of no alpha: s and r do not match, by less than half a step
            assert np.abs(decoded - y).max() < 0.25
        elif not is_level:
            exact = 0.25 * (np.floor(4.0 * grid - u + 0.5) + u)
            exact = np.moveaxis(exact.reshape(9, 12, 7, 3), 0, 1).astype(dtype)
            np.testing.assert_array_equal(decoded, exact)
        else:
            rows = dither_integers((1, 756, 3), seed=golden.SEED, tensor=golden.TENSOR)
            m = (2.0 * rows.reshape(y.shape) - 255) / 512 if method == "un+uq" else 0.0
            exact = 0.25 * (np.floor(4.0 * (y.astype(np.float64) - 0.125) - m + 0.5) + m) + 0.125
            np.testing.assert_array_equal(decoded, exact)


def test_the_same_bytes_are_written() -> None:
    found = golden.streams(golden.channel_tables(), golden.level_tables())
    for name, data in found.items():
        assert data == (golden.HERE / name).read_bytes(), name


@pytest.mark.parametrize("name", ["channels", "levels"])
def test_tables_are_written_as_they_were(name: str) -> None:
    """The members, in their order, compressed; their bytes are zlib's, which may change."""
    path = golden.HERE / f"tables_v1_{name}.npz"
    written = io.BytesIO(tables_to_bytes(load_tables(path)))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(written) as new:
        assert new.namelist() == old.namelist()
        for ours, theirs in zip(new.infolist(), old.infolist(), strict=True):
            assert (ours.compress_type, ours.date_time) == (theirs.compress_type, theirs.date_time)
            assert new.read(ours) == old.read(theirs)
