"""Archives of others: every header is looked at, and no array that does not fit its own."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npuq.io.archive import MOST_MEMBERS, archive_bytes, opened, total_bytes, write_archive

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "none": np.zeros((2048, 0), np.int64),
    "scalar": np.array(3, np.uint8),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_shapes_are_known_before_the_arrays(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    with opened(tmp_path / "x.npz") as archive:
        assert archive.shapes.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert archive.shapes[name].shape == array.shape
            assert archive.shapes[name].dtype == array.dtype
            np.testing.assert_array_equal(archive.read(name), array)
        assert total_bytes(archive.shapes) == 24 + 48 + 1
        with pytest.raises(KeyError):
            archive.read("b")


@pytest.mark.parametrize("compress", [False, True])
def test_one_writer_makes_files_and_bytes(compress: bool, tmp_path: Path) -> None:
    write_archive(tmp_path / "x.npz", ARRAYS, compress=compress)
    data = archive_bytes(ARRAYS, compress=compress)
    assert data == (tmp_path / "x.npz").read_bytes()
    members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    assert [m.filename for m in members] == [f"{name}.npy" for name in ARRAYS]
    assert {m.compress_type for m in members} == {kind}


def header(**changes: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (2,)} | changes
    )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", header() + bytes(7)),
        ("a.npy", header() + bytes(9)),
        ("a.npy", header(shape=(1 << 38,)) + bytes(8)),
        ("a.npy", header(shape=(1 << 40, 1 << 40)) + bytes(8)),
        ("a.npy", header(shape=(-2,)) + bytes(8)),
        ("a.npy", header(shape=(-2, -1)) + bytes(8)),
        ("a.npy", header(descr="|O") + bytes(16)),
        ("a.npy", b"\x93NUMPY\x09\x00" + bytes(100)),
        ("a.npy", b"no array"),
        ("a.npy", b""),
        ("a.txt", header() + bytes(8)),
    ],
)
def test_members_that_are_not_what_they_say_are_refused(
    name: str, content: bytes, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("sound.npy", header() + bytes(8))
        file.writestr(name, content)
    with pytest.raises(Exception, match="."), opened(tmp_path / "x.npz"):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_numpy_does_not_make_are_refused(tmp_path: Path) -> None:
    sound = header() + bytes(8)
    for number, (names, method) in enumerate(
        [
            (["a", "b", "a"], zipfile.ZIP_STORED),
            (["a"], zipfile.ZIP_BZIP2),
            ([f"a{i}" for i in range(MOST_MEMBERS + 1)], zipfile.ZIP_STORED),
        ]
    ):
        path = tmp_path / f"{number}.npz"
        with zipfile.ZipFile(path, "w", method) as file:
            for name in names:
                file.writestr(f"{name}.npy", sound)
        with pytest.raises(ValueError), opened(path):
            pass
