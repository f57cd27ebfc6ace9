"""Headers of image files: depths that Pillow reduces silently, turns, formats that are not read."""

from __future__ import annotations

import base64
import io
import os
import signal
import struct
import sys
import threading
import types
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from npuq.backend import Array
from npuq.errors import InvalidImageError
from npuq.io import images
from npuq.io.folders import list_images
from npuq.io.image_formats import is_deep, turned
from npuq.io.images import read_image

pillow = pytest.importorskip("PIL.Image")
image_ops = pytest.importorskip("PIL.ImageOps")
features = pytest.importorskip("PIL.features")

# Made with imagecodecs 2026.3.6 (libavif, OpenJPEG) of 8 x 8 pixels, all channels 500; Pillow
# writes no colour of more than 8 bits.
DEEP_FILES = {
    "10.j2k": "/0//UQAvAAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAADCQEBCQEBCQEB/1IADAAAAAEBAAQE"
    "AAH/XAAEQFD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAAaAAH/k8B8gYARUF"
    "Sv/3+AgP/Z",
    "12.jp2": "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAACAAAAAgAAwsHAA"
    "AAAAAPY29scgEAAAAAABAAAACfanAyY/9P/1EALwAAAAAACAAAAAgAAAAAAAAAAAAAAAgAAAAIAAAAAAAAAAAAAwsBA"
    "QsBAQsBAf9SAAwAAAABAQAEBAAB/1wABEBg/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AA"
    "CgAAAAAAJwAB/5PP5FARUFSv/nC+AAAAAMJCXdesADCQl4CA/9k=",
    "10.avif": "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAc"
    "GljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAHAAAAChpaW5m"
    "AAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAACAAAAAg"
    "AAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAo"
    "MEAAAAJG1kYXQSAAoIOAi/bwICBpAyDh/yYoTgABYKABCQNniA",
    "12.avif": "AAAAHGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZgAAAOttZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0A"
    "AAAAAAAAAAAAAAAAAAAAA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAAQ8AAAAdAAAAKGlpbmYAAAAA"
    "AAEAAAAaaW5mZQIAAAAAAQAAYXYwMUNvbG9yAAAAAGppcHJwAAAAS2lwY28AAAAUaXNwZQAAAAAAAAAIAAAACAAAABB"
    "waXhpAAAAAAMMDAwAAAAMYXYxQ4FAYAAAAAATY29scm5jbHgAAgACAAaAAAAAF2lwbWEAAAAAAAAAAQABBAECgwQAAA"
    "AlbWRhdBIACghYCL9rQICBojIPH/JihOAAFgAEkDWTv5sQ",
}


def noise(height: int = 5, width: int = 7) -> Array:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def reads_avif() -> bool:
    pillow.init()
    return "AVIF" in pillow.OPEN and bool(features.check("avif"))


# ---- depth


@pytest.mark.parametrize("name", DEEP_FILES)
def test_depths_that_pillow_does_not_tell_are_refused(tmp_path: Path, name: str) -> None:
    if name.endswith(".avif") and not reads_avif():
        pytest.skip("this Pillow reads no AVIF")
    (tmp_path / name).write_bytes(base64.b64decode(DEEP_FILES[name]))
    with pillow.open(tmp_path / name) as file:
        assert file.mode == "RGB"  # what Pillow would make of it
    with pytest.raises(InvalidImageError, match="has more than 8 bits a channel"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_16_bit_sgi_is_refused(tmp_path: Path, mode: str, compression: int) -> None:
    buffer = io.BytesIO()
    pillow.fromarray(noise()).convert(mode).save(buffer, "SGI", bpc=2)
    data = bytearray(buffer.getvalue())
    data[2] = compression  # the header is enough to refuse it
    (tmp_path / "deep.sgi").write_bytes(data)
    with pytest.raises(InvalidImageError, match="has more than 8 bits a channel"):
        read_image(tmp_path / "deep.sgi")


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("bits", [(16, 16, 16), (8, 16, 8)])
def test_16_bit_tiff_is_refused(tmp_path: Path, planes: int, bits: tuple[int, ...]) -> None:
    """Of separate planes, Pillow would read the bytes of one channel as pixels of 8 bits."""
    tags = [
        (256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 3, 200), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 3, 210), (277, 3, 1, 3), (278, 3, 1, 2), (279, 4, 3, 230), (284, 3, 1, planes),
    ]  # fmt: skip
    if planes == 1:
        tags = [(t, k, 1, v) if t in (273, 279) else (t, k, n, v) for t, k, n, v in tags]
        tags = [(t, k, n, {273: 300, 279: 24}.get(t, v)) for t, k, n, v in tags]
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags))
    data += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    data = data.ljust(200, b"\0") + struct.pack("<3H", *bits)
    data = data.ljust(210, b"\0") + struct.pack("<3I", 300, 308, 316)
    data = data.ljust(230, b"\0") + struct.pack("<3I", 8, 8, 8)
    (tmp_path / "deep.tif").write_bytes(data.ljust(330, b"\0"))
    with pytest.raises(InvalidImageError) as caught:
        read_image(tmp_path / "deep.tif")
    if len(set(bits)) == 1:  # Pillow itself refuses mixed depths
        assert "has more than 8 bits a channel" in str(caught.value)


@pytest.mark.parametrize(
    ("masks", "pixel", "colour"),
    [
        ((0xF800, 0x07E0, 0x001F), 0x8410, (132, 130, 132)),
        ((0xF800, 0x07E0, 0x001F), 0xF81F, (255, 0, 255)),
        ((0x7C00, 0x03E0, 0x001F), 0x4210, (132, 132, 132)),
    ],
)
def test_16_bits_a_pixel_are_not_16_a_channel(
    tmp_path: Path, masks: tuple[int, int, int], pixel: int, colour: tuple[int, int, int]
) -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    header += struct.pack("<III", *masks)
    data = b"BM" + struct.pack("<IHHI", 14 + len(header) + 4, 0, 0, 14 + len(header)) + header
    (tmp_path / "a.bmp").write_bytes(data + struct.pack("<HH", pixel, 0))
    image = read_image(tmp_path / "a.bmp")
    np.testing.assert_allclose(image, [[colour, (0, 0, 0)]], atol=1)  # Pillow rounds down


@pytest.mark.parametrize("format_", ["JPEG2000", "SGI", "QOI", "TGA", "PCX", "AVIF"])
def test_8_bit_files_of_the_same_formats_are_read(tmp_path: Path, format_: str) -> None:
    if format_ == "AVIF" and not reads_avif():
        pytest.skip("this Pillow reads no AVIF")
    try:
        pillow.fromarray(noise(16, 24)).save(tmp_path / "picture", format_)
    except (KeyError, OSError):
        pytest.skip("this Pillow does not write it")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(tmp_path / "picture")
    with pillow.open(tmp_path / "picture") as file:
        np.testing.assert_array_equal(image, np.asarray(file.convert("RGB")))


@pytest.mark.parametrize(("flags", "deep"), [(0x0C, False), (0x4C, True), (0x6C, True)])
def test_the_depth_of_an_avif_sequence_is_in_its_track(flags: int, deep: bool) -> None:
    def box(kind: bytes, contents: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(contents), kind) + contents

    data = box(b"av01", bytes(78) + box(b"av1C", bytes([0x81, 0, flags, 0])))
    data = box(b"stsd", bytes(8) + data)
    for kind in (b"stbl", b"minf", b"mdia", b"trak"):
        data = box(b"free", b"1") + box(kind, data)
    file = io.BytesIO(box(b"ftyp", b"avis") + box(b"mdat", b"2") + box(b"moov", data))
    file.seek(5)
    assert is_deep(types.SimpleNamespace(mode="RGB", format="AVIF", fp=file)) == deep
    assert file.tell() == 5


@pytest.mark.parametrize("size", ["as it is", "to the end", "of 64 bits"])
def test_sizes_of_boxes_are_written_in_three_ways(tmp_path: Path, size: str) -> None:
    data = base64.b64decode(DEEP_FILES["12.jp2"])
    start = data.index(b"jp2c") - 4
    length, stream = int.from_bytes(data[start : start + 4], "big"), data[start + 8 :]
    assert start + length == len(data)
    if size == "to the end":
        data = data[:start] + struct.pack(">I4s", 0, b"jp2c") + stream
    elif size == "of 64 bits":
        data = data[:start] + struct.pack(">I4sQ", 1, b"jp2c", 8 + length) + stream
    (tmp_path / "a.jp2").write_bytes(data)
    with pytest.raises(InvalidImageError, match="has more than 8 bits a channel"):
        read_image(tmp_path / "a.jp2")


@pytest.mark.parametrize(("bits", "deep"), [((8, 8, 8), False), ((8, 8, 9), True)])
def test_a_palette_of_jpeg_2000_has_depths_of_its_own(bits: tuple[int, ...], deep: bool) -> None:
    """Pillow leaves out one that is deep, and takes its indices for greys."""
    palette = struct.pack(">HB", 1, len(bits)) + bytes(b - 1 for b in bits) + bytes(2 * len(bits))
    contents = struct.pack(">I4s", 8 + len(palette), b"pclr") + palette
    data = struct.pack(">I4s", 8 + len(contents), b"jp2h") + contents
    file = types.SimpleNamespace(mode="L", format="JPEG2000", fp=io.BytesIO(data))
    assert is_deep(file) == deep


def test_boxes_that_never_end_are_no_endless_loop(tmp_path: Path) -> None:
    start = b"\0\0\0\x0cjP  \r\n\x87\n"
    for boxes in (
        struct.pack(">I4s", 8, b"jp2h") * 5,
        struct.pack(">I4s", 0, b"jp2h") * 5000,
        struct.pack(">I4sQ", 1, b"jp2h", 0),
        struct.pack(">I4s", 7, b"free"),
        struct.pack(">I4sQ", 1, b"free", 1 << 63),
    ):
        (tmp_path / "a.jp2").write_bytes(start + boxes)
        with pytest.raises(InvalidImageError):
            read_image(tmp_path / "a.jp2")


# ---- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_every_turn_is_pillows(tmp_path: Path, format_: str, orientation: int) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    picture = pillow.fromarray(noise())
    options = {"lossless": True} if format_ == "WEBP" else {}
    picture.save(tmp_path / "a", format_, exif=exif, **options)
    with pillow.open(tmp_path / "a") as file:
        expected = np.asarray(image_ops.exif_transpose(file))
    assert (expected.shape == (7, 5, 3)) == (orientation >= 5)
    image = read_image(tmp_path / "a")
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous and image.flags.writeable


def test_no_two_turns_are_the_same() -> None:
    assert len({turned(noise(3, 3), n).tobytes() for n in range(1, 9)}) == 8


DAMAGED_EXIF = {
    "no header": b"\0\x08\0\x02",
    "text": b"garbage",
    "nothing after the header": b"II*\0\x08\0\0\0",
    "cut": b"II*\0\x08\0\0\0\x02\0\x12\x01",
    "far away": b"MM\0*\x7f\xff\xff\xff",
    "orientation of text": b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0ab\0\0\0\0\0\0",
    "orientation 9": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("flaw", DAMAGED_EXIF)
def test_a_damaged_exif_block_is_no_reason_to_refuse_a_picture(
    tmp_path: Path, flaw: str, format_: str
) -> None:
    picture = pillow.new("RGB", (16, 8), (10, 200, 30))
    picture.save(tmp_path / "a", format_, exif=b"Exif\0\0" + DAMAGED_EXIF[flaw])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_image(tmp_path / "a").shape == (8, 16, 3)
    said = [str(warning.message) for warning in caught]
    assert all(text.startswith(f"{tmp_path / 'a'}: ") and "EXIF" in text for text in said)
    assert len(said) <= 1
    if format_ != "JPEG" and "orientation" not in flaw:  # Pillow reads JPEG's when it opens it
        assert said


def test_another_flaw_does_not_hide_the_orientation(tmp_path: Path) -> None:
    """The GPS directory lies beyond the end: of no interest here."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif += struct.pack(">HHII", 0x8825, 4, 1, 0x7FFFFFF0) + bytes(4)
    for format_ in ("JPEG", "PNG", "WEBP"):
        pillow.new("RGB", (16, 8)).save(tmp_path / "a", format_, exif=exif)
        assert read_image(tmp_path / "a").shape == (16, 8, 3)


# ---- what is dropped is said


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_dropped_pictures_are_mentioned(tmp_path: Path, format_: str) -> None:
    first, second = pillow.new("RGB", (4, 4), "red"), pillow.new("RGB", (4, 4), "blue")
    options = {"lossless": True} if format_ == "WEBP" else {}
    first.save(tmp_path / "a", format_, save_all=True, append_images=[second], **options)
    with pytest.warns(UserWarning, match="only the first is read"):
        image = read_image(tmp_path / "a")
    assert (image == (255, 0, 0)).all()
    first.save(tmp_path / "a", format_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(tmp_path / "a")


def test_a_colour_profile_is_mentioned_unless_it_is_srgb(tmp_path: Path) -> None:
    cms = pytest.importorskip("PIL.ImageCms")
    srgb = cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes()
    other = cms.ImageCmsProfile(cms.createProfile("LAB")).tobytes()
    for format_ in ("PNG", "JPEG", "TIFF", "WEBP"):
        pillow.fromarray(noise()).save(tmp_path / "a", format_, icc_profile=srgb)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_image(tmp_path / "a")
        pillow.fromarray(noise()).save(tmp_path / "a", format_, icc_profile=other)
        with pytest.warns(UserWarning, match="a: its colour profile is ignored"):
            read_image(tmp_path / "a")


def test_the_remarks_of_one_thread_are_not_those_of_another(tmp_path: Path) -> None:
    """Each catches Pillow's warnings, for which Python has but one place."""
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path in paths:
        pillow.new("RGBA", (2, 2)).save(path, exif=b"Exif\0\0" + DAMAGED_EXIF["cut"])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(4) as pool:
            warnings.simplefilter("always")
            list(pool.map(read_image, paths * 100))
    finally:
        sys.setswitchinterval(interval)
    said = Counter(str(warning.message) for warning in caught)
    assert set(said.values()) == {100} and len(said) == 2 * len(paths), said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what is tested
def test_a_child_that_is_forked_while_a_file_is_opened_reads_another(tmp_path: Path) -> None:
    pillow.fromarray(noise()).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")  # imports what is needed
    opening, done = threading.Event(), threading.Event()

    def hold() -> None:
        with images._WARNINGS:
            opening.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    opening.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # what ends a child that waits for a thread that it has not got
        try:
            read_image(tmp_path / "a.png")
            os._exit(0)
        finally:
            os._exit(1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


# ---- formats


@pytest.mark.parametrize("name", ["a.eps", "a.png"])
def test_no_foreign_program_is_started_for_a_picture(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    eps = pytest.importorskip("PIL.EpsImagePlugin")
    monkeypatch.setattr(eps, "Ghostscript", lambda *a, **k: pytest.fail("Ghostscript is started"))
    (tmp_path / name).write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(InvalidImageError, match="not an image in a format that is read"):
        read_image(tmp_path / name)


def test_a_pillow_without_avif_says_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow.init()
    monkeypatch.delitem(pillow.OPEN, "AVIF", raising=False)
    monkeypatch.setattr(pillow, "init", lambda: None)
    (tmp_path / "a.avif").write_bytes(base64.b64decode(DEEP_FILES["10.avif"]))
    with pytest.raises(InvalidImageError, match="not an image in a format that is read"):
        read_image(tmp_path / "a.avif")


# ---- folders


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder)]


def test_newer_suffixes_are_listed(tmp_path: Path) -> None:
    for name in ("a.avif", "b.jp2", "c.J2K", "d.pnm", "e.eps"):
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a.avif", "b.jp2", "c.J2K", "d.pnm"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    for name in ("own/x.png", "elsewhere/deep/y.png", "elsewhere/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = tmp_path / "own"
    (folder / "a link").symlink_to(tmp_path / "elsewhere")
    (folder / "b link").symlink_to(tmp_path / "elsewhere" / "deep")  # is in the former
    (folder / "c link").symlink_to(folder)  # contains itself
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    (folder / "one.png").symlink_to(tmp_path / "elsewhere" / "z.png")
    assert names(folder) == ["a link/deep/y.png", "a link/z.png", "one.png", "x.png"]
    (tmp_path / "linked").symlink_to(folder)
    assert names(tmp_path / "linked") == names(folder)


def test_what_is_there_without_a_link_keeps_its_name(tmp_path: Path) -> None:
    """Else a link added to a folder could rename the pictures of a training."""
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "x.png").touch()
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert names(tmp_path) == ["z/x.png"]


def test_links_that_lead_nowhere_are_mentioned(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "no.png")
    with pytest.warns(UserWarning, match=r"gone\.png: is a link that leads nowhere"):
        assert names(tmp_path) == ["x.png"]


def test_a_folder_that_cannot_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.png").touch()
    (tmp_path / "locked").mkdir()
    listed = Path.iterdir

    def iterdir(self: Path) -> object:
        if self.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(InvalidImageError, match=r"locked: cannot be listed \(Permission denied\)"):
        list_images(tmp_path)
