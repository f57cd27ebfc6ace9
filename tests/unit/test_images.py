"""Image files: every mode becomes RGB or a clear error, and writing is whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from npuq.backend import Array
from npuq.errors import InvalidImageError, MissingDependencyError, NpuqError
from npuq.io.atomic import write_bytes_atomically, write_file_atomically
from npuq.io.folders import list_images
from npuq.io.image_writing import WRITE_OPTIONS, write_image
from npuq.io.images import PIXELS_MAX, check_image, read_image

pillow = pytest.importorskip("PIL.Image")


def noise(height: int = 5, width: int = 7) -> Array:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_16_bit(path: Path, colour_type: int, channels: int) -> None:
    """Pillow cannot write 16-bit colour, so by hand: one pixel of 0x8001 in each channel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0)
    pixel = zlib.compress(b"\0" + b"\x80\x01" * channels)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize("suffix", [*sorted(WRITE_OPTIONS), ".PNG"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    image = noise()
    write_image(tmp_path / f"picture{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"picture{suffix}"), image)
    write_image(tmp_path / f"picture{suffix}", image[::-1, ::-1])  # replaces; strides are any
    np.testing.assert_array_equal(read_image(tmp_path / f"picture{suffix}"), image[::-1, ::-1])
    assert [file.name for file in tmp_path.iterdir()] == [f"picture{suffix}"]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB"])
def test_modes_without_transparency_become_rgb(tmp_path: Path, mode: str) -> None:
    picture = pillow.fromarray(noise()).convert(mode)
    path = tmp_path / "picture.tif"
    picture.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(path)
    assert image.dtype == np.uint8 and image.flags.writeable
    np.testing.assert_array_equal(image, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (200, 100, 0)), ("LA", (60, 60, 60))])
def test_transparent_pixels_are_blended_onto_white(
    tmp_path: Path, mode: str, colour: tuple[int, int, int]
) -> None:
    alpha = np.array([[0, 51, 255]], np.uint8)
    picture = np.dstack([np.tile(np.array(colour, np.uint8), (1, 3, 1)), alpha])
    if mode == "LA":
        picture = picture[..., 2:]
    pillow.fromarray(picture).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="a.png: transparent"):
        image = read_image(tmp_path / "a.png")
    expected = [[round(255 + (c - 255) * int(a) / 255) for c in colour] for a in alpha[0]]
    np.testing.assert_allclose(image[0], expected, atol=1)  # Pillow's integer blending


def test_a_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    picture = pillow.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "p.png", transparency=1)
    with pytest.warns(UserWarning, match="transparent"):
        image = read_image(tmp_path / "p.png")
    np.testing.assert_array_equal(image, [[[10, 20, 30], [255, 255, 255]]])


def test_an_opaque_alpha_channel_is_dropped_without_a_word(tmp_path: Path) -> None:
    pillow.fromarray(noise()).convert("RGBA").save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), noise())


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    exif = pillow.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter
    pillow.fromarray(noise()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(noise(), -1))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_is_refused(tmp_path: Path, colour_type: int, channels: int) -> None:
    png_16_bit(tmp_path / "deep.png", colour_type, channels)
    with pytest.raises(InvalidImageError, match=r"deep\.png: has more than 8 bits a channel"):
        read_image(tmp_path / "deep.png")


def test_other_deep_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "colour.ppm").write_bytes(b"P6 1 1 65535\n" + bytes(6))
    (tmp_path / "plain.ppm").write_bytes(b"P3 1 1 1023\n0 500 1023\n")
    (tmp_path / "grey.pgm").write_bytes(b"P5 1 1 4095\n" + bytes(2))
    pillow.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "float.tif")
    pillow.fromarray(np.ones((2, 2), np.uint16)).save(tmp_path / "grey.tif")
    for path in tmp_path.iterdir():
        with pytest.raises(InvalidImageError, match="more than 8 bits"):
            read_image(path)


def test_eight_bit_pnm_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 255\n\x01\x02\x03")
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), [[[1, 2, 3]]])
    (tmp_path / "b.pgm").write_bytes(b"P2 2 1 255\n7 9\n")
    np.testing.assert_array_equal(read_image(tmp_path / "b.pgm"), [[[7] * 3, [9] * 3]])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # a remark of Pillow's, before its error
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
def test_a_truncated_file_is_refused_at_any_length(tmp_path: Path, format_: str) -> None:
    buffer = io.BytesIO()
    pillow.fromarray(noise(40, 40)).save(buffer, format_)
    data = buffer.getvalue()
    path = tmp_path / "cut.png"  # the name does not matter
    for length in (0, 1, 10, 30, len(data) // 2):
        path.write_bytes(data[:length])
        with pytest.raises(InvalidImageError, match=r"cut\.png: ") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("I am not a picture\n")
    with pytest.raises(InvalidImageError, match=r"text\.png: is not an image"):
        read_image(tmp_path / "text.png")
    with pytest.raises(InvalidImageError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InvalidImageError, match="is a folder"):
        read_image(tmp_path)


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", noise(5, 7))
    monkeypatch.setattr("npuq.io.images.PIXELS_MAX", 35)
    # Pillow itself warns above its limit, and raises above twice it: the warning is not for us
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png").shape == (5, 7, 3)
    for ours, pillows in ((34, 20), (34, 10)):
        monkeypatch.setattr("npuq.io.images.PIXELS_MAX", ours)
        monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", pillows)
        with pytest.raises(InvalidImageError, match="more than 34 pixels"):
            read_image(tmp_path / "a.png")


def test_the_limit_is_below_what_pillow_refuses() -> None:
    assert 100_000_000 < PIXELS_MAX < 2 * pillow.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.gif", "a", "a.npuq"])
def test_only_lossless_formats_are_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidImageError, match=r"lossless.*\.png"):
        write_image(tmp_path / name, noise())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[[0, 0, 0]]], "list"),
        (np.ma.masked_array(np.zeros((2, 2, 3), np.uint8), mask=True), "masked array; fill it"),
        (np.zeros((2, 2, 3)), "float64"),
        (np.zeros((2, 2), np.uint8), "shape"),
        (np.zeros((2, 2, 4), np.uint8), "alpha"),
        (np.zeros((0, 2, 3), np.uint8), "no pixels"),
        (np.zeros((2, 0, 3), np.uint8), "no pixels"),
    ],
)
def test_check_image_refuses(image: Array, message: str) -> None:
    with pytest.raises(InvalidImageError, match=f"picture.*{message}"):
        check_image(image, "picture")


def test_check_image_accepts() -> None:
    check_image(np.zeros((1, 1, 3), np.uint8))
    check_image(noise()[::2, ::-1])


def test_images_are_listed_by_suffix_and_sorted(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.JPG", "a/b/c.webp", "a.txt", ".hidden.png", ".cache/x.png", "A.bmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["A.bmp", "a/b/c.webp", "a/z.JPG", "b.png"]
    with pytest.raises(InvalidImageError, match="no such folder"):
        list_images(tmp_path / "absent")
    with pytest.raises(InvalidImageError, match="holds no images"):
        list_images(tmp_path / "folder.png")


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'npuq\[cli\]'"):
        read_image(tmp_path / "a.png")
    with pytest.raises(MissingDependencyError, match="Pillow"):
        write_image(tmp_path / "a.png", noise())


def test_atomic_writing_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"old", b""):
        write_bytes_atomically(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("when", ["write", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def write(temporary: Path) -> None:
        assert temporary.parent == tmp_path and temporary.suffix == ".bin"
        temporary.write_bytes(b"half")
        if when == "write":
            fail()

    if when == "replace":
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(NpuqError, match=r"a\.bin: No space left"):
        write_file_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_writing_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NpuqError, match=r"folder .*absent does not exist"):
        write_bytes_atomically(tmp_path / "absent" / "a.bin", b"")
    with pytest.raises(NpuqError, match="a folder has that name"):
        write_bytes_atomically(tmp_path, b"")


def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_bytes_atomically(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"target.bin", "link.bin"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(NpuqError, match="not a regular file"):
        write_bytes_atomically(pipe, b"")
    assert pipe.is_fifo()
