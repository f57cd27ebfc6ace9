"""Bounds of memory, each in a process that may not take more: pictures of any shape, hostile files.

`RLIMIT_DATA` counts all memory that a process could write to, whether it does or not. Compiling
takes some as well, so each program first does a small piece of the same work.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npuq.exchange.compressai import export_state
from npuq.models import hyperprior
from npuq.runtime.compile import use_reference
from npuq.trained.make import make_model

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads Linux's /proc"
)

LIMIT = """
import resource, sys
import numpy as np

def allow(megabytes):
    lines = open("/proc/self/status").read().splitlines()
    now = next(int(line.split()[1]) for line in lines if line.startswith("VmData"))
    most = now * 1024 + (megabytes << 20), resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_DATA, most)
"""


def run(program: str, *arguments: object) -> str:
    """What a program prints, which may call `allow(megabytes)`."""
    tests = Path(__file__).parents[1]
    python_path = os.pathsep.join((str(tests / "support"), str(tests.parent)))
    result = subprocess.run(
        [sys.executable, "-c", LIMIT + program, *map(str, arguments)],
        env=os.environ
        | {
            "PYTHONPATH": python_path,
            "NPUQ_THREADS": "2",  # each has a few megabytes of its own
            "OPENBLAS_THREAD_TIMEOUT": "4",  # as the command line sets it
        },
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


PICTURE = """
from models import picture
from npuq.codec.files import compress, decompress
height, width = map(int, sys.argv[1:])
tile = picture(min(height, 256), min(width, 256))
decompress(compress(np.tile(tile, (2, 2, 1))))
image = np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1))[:height, :width]
image = np.ascontiguousarray(image)
allow(150)
data = compress(image)
allow(150 + (image.nbytes >> 20))
decoded = decompress(data)
error = decoded[:999, :999].astype(float) - image[:999, :999]
print(decoded.shape == image.shape, np.mean(np.abs(error)) < 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(use_reference(), reason="takes long in plain Python")
@pytest.mark.parametrize(
    ("height", "width"), [(8, 1 << 22), (1, 1 << 22), (1 << 21, 1), (768, 1 << 14)]
)
def test_pictures_take_their_pixels_and_150_megabytes(height: int, width: int) -> None:
    """By the linear model, whatever the shape."""
    assert run(PICTURE, height, width) == "True True"


CLAIM = """
from models import picture
from npuq.codec.files import compress, decompress
from npuq.codec.container import pack, unpack
from npuq.errors import InvalidFileError
decompress(compress(picture(16, 16)))
header, _ = unpack(compress(picture(16, 16)))
allow(20)
height, width = map(int, sys.argv[1:])
header = header._replace(height=height, width=width)
data = pack(header, [b""] * -(-height // 256))
try:
    decompress(data)
except InvalidFileError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(use_reference(), reason="takes long in plain Python")
@pytest.mark.parametrize(("height", "width"), [(1, 1 << 25), (8, 1 << 22), (256, 1 << 17)])
def test_a_few_bytes_that_claim_a_picture_are_refused_before_it_is_made(
    height: int, width: int
) -> None:
    """59 bytes for 100 megabytes of pixels, in 20 megabytes."""
    assert "a coefficient is out of range" in run(CLAIM, height, width)


def npz(path: Path, arrays: dict[str, Any], **manifest: object) -> Path:
    if manifest:
        text = json.dumps({"format": 1, "alpha": 0, "alpha_r": 0, "lmbda": 1, "name": "x",
                           "training": {}, "hash": "00" * 8, **manifest})  # fmt: skip
        arrays = arrays | {"manifest": np.frombuffer(text.encode(), np.uint8)}
    np.savez_compressed(path, **arrays)
    return path


def empty_but_wide(path: Path) -> Path:
    names = ("analysis.0.w", "analysis.3.w", "hyper_synthesis.2.w")
    return npz(path, {n: np.zeros((4096, 0), np.float32) for n in names}, kind="hyperprior")


def empty_linear(path: Path) -> Path:
    """Its density has 4096 columns of no channels."""
    arrays = {f"density.{g}.{k}": np.zeros((0, 4096), np.float32) for g in "Hab" for k in range(3)}
    arrays |= {n: np.zeros(0, np.float32) for n in ("analysis", "synthesis")}
    return npz(path, arrays, kind="linear")


def long_manifest(path: Path) -> Path:
    return npz(path, {"manifest": np.full(1 << 29, ord("["), np.uint8)})


def zeros_nobody_asked_for(path: Path) -> Path:
    return npz(path, {"junk": np.zeros(1 << 29, np.uint8)}, kind="linear")


def header_of_a_terabyte(path: Path) -> Path:
    """As a member, and in the place of the archive."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 38,)}
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.npy", header.getvalue())
        file.writestr("analysis.npy", header.getvalue())
    return path


def bare_array(path: Path) -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 28,)}
        )
        file.truncate(1 << 30)
    return path


def empty_state(path: Path) -> Path:
    names = ("g_a.0.weight", "g_a.6.weight", "h_s.4.weight")
    return npz(path, {name: np.zeros((2048, 0, 5, 5), np.float32) for name in names})


def state_with_more(path: Path) -> Path:
    params = hyperprior.init(np.random.default_rng(0), channels=2, latents=2)
    state = export_state(make_model(params, alpha=0.0, lmbda=1.0, name="x"))
    return npz(path, state | {"junk": np.zeros(1 << 29, np.uint8)})


REFUSED = """
from models import tiny_model
from npuq.exchange.compressai import check_state, import_state
from npuq.errors import ModelError
from npuq.trained.model_file import load_model, save_model
from npuq.exchange.state_dict import read_state_dict
path = sys.argv[1]
save_model(path + ".sound.npz", tiny_model())
load_model(path + ".sound.npz")
allow(30)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
for read in (load_model, lambda path: import_state(read_state_dict(path, check_state), name="x")):
    try:
        read(path)
    except ModelError as error:
        print(isinstance(error.__cause__, MemoryError), "hostile.npz" in str(error))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [empty_but_wide, empty_linear, long_manifest, zeros_nobody_asked_for, header_of_a_terabyte,
     bare_array, empty_state, state_with_more],
)  # fmt: skip
def test_hostile_model_files_take_30_megabytes_at_most(make: Any, tmp_path: Path) -> None:
    """As a model and as a state dict; what they claim is 0.5 GB to 1 TB."""
    out = run(REFUSED, make(tmp_path / "hostile.npz"))
    assert out.splitlines() == ["False True"] * 2


ARRAY = """
import ctypes
# M_MMAP_THRESHOLD stays at 128 kB: or how much glibc keeps of what was freed, which counts here,
# differs from run to run, with the order in which threads allocate and free
ctypes.CDLL(None).mallopt(-3, 1 << 17)
import npuq, scipy.stats
kind, shape = sys.argv[1], tuple(map(int, sys.argv[2:]))
rng = np.random.default_rng(0)
options, means = {}, np.arange(-2, 2) / 4
if kind == "scales":
    tables, axis = npuq.make_scale_tables(levels=9), 0
    options["scales"] = 1 << np.arange(15, 15 + shape[-2])[:, None]
else:
    tables, axis = npuq.make_tables([scipy.stats.norm(scale=s) for s in (1, 2, 3, 4)]), 1
    means = means[:, None, None]
few = tuple(min(n, 4) for n in shape)
y = rng.normal(size=few).astype(np.float32)
small = {"scales": options["scales"][:4]} if options else {}
npuq.decode_array(npuq.encode_array(y, tables, axis=axis, **small), tables, **small)
y = np.resize(rng.normal(size=99991).astype(np.float32), shape)
if kind == "swapped":
    y = y.astype(">f4")
indexes = y.size >> 20 if options else 0  # a byte for the table of each
allow(150 + indexes)
data = npuq.encode_array(y, tables, axis=axis, means=means, **options)
allow(150 + indexes + (y.nbytes >> 20))
decoded, _ = npuq.decode_array(data, tables, means=means, **options)
print(all(abs(a - b).max() < 0.5001 for a, b in zip(decoded, y)))
"""


@pytest.mark.slow
@pytest.mark.skipif(use_reference(), reason="takes long in plain Python")
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("channels", (64, 4, 64, 2048)),  # rows of a batch do not lie one after another
        ("channels", (32, 4, 1 << 18, 1)),
        ("swapped", (64, 4, 64, 2048)),
        ("scales", (1 << 18, 32, 4)),  # broadcast along the first axis and the last
    ],
)
def test_arrays_take_150_megabytes_besides_themselves(kind: str, shape: tuple[int, ...]) -> None:
    """To encode, and to decode; each has 128."""
    assert run(ARRAY, kind, *shape) == "True"


CLAIMED_ARRAY = """
import npuq, scipy.stats
from npuq.errors import CorruptFileError, InvalidArrayError
from npuq.latents.container import pack, unpack
from npuq.latents.layout import block_count, grid_of
tables = npuq.make_tables(scipy.stats.norm())
data = npuq.encode_array(np.zeros(20), tables)
npuq.decode_array(data, tables)
header = unpack(data).header
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) >> 10
before = peak()
for shape in ((1 << 28,), (1, 1, 1 << 28), (1 << 14, 1 << 14), (1 << 28, 1)):
    count = block_count(grid_of(shape, None))
    try:
        npuq.decode_array(pack(header._replace(shape=shape), b"", [b""] * count), tables)
    except CorruptFileError as error:
        print("damaged" in str(error))
print(peak() - before < 100)
"""


@pytest.mark.slow
@pytest.mark.skipif(use_reference(), reason="takes long in plain Python")
def test_a_few_bytes_that_claim_an_array_take_no_memory_for_it() -> None:
    """A kilobyte for two gigabytes of coefficients, all that a decoder makes unless it is told."""
    assert run(CLAIMED_ARRAY).split() == ["True"] * 5


TABLES_OF_ZEROS = """
import io, npuq, scipy.stats
from npuq.errors import TablesError
from npuq.latents.container import pack, unpack
y, path = np.zeros(3), sys.argv[1]
data = npuq.encode_array(y, npuq.make_tables(scipy.stats.norm()), embed=True)
npuq.decode_array(data)
hostile = pack(unpack(data).header, open(path, "rb").read(), unpack(data).blocks)
allow(30)
for read in (lambda: npuq.load_tables(path), lambda: npuq.decode_array(hostile)):
    try:
        read()
    except TablesError as error:
        print(isinstance(error.__cause__, MemoryError))
"""


@pytest.mark.slow
def test_tables_of_half_a_gigabyte_of_zeros_take_30_megabytes_at_most(tmp_path: Path) -> None:
    """In a file, and inside of a stream, where they have half a megabyte."""
    few = np.zeros(1 << 16, np.int32)
    arrays = dict.fromkeys(("first", "last"), few) | {"log2_knots": few.astype(np.uint8)}
    arrays |= {"differences": np.zeros(1 << 29, np.int8), "phases": np.zeros(256, np.uint16)}
    path = npz(tmp_path / "hostile.npz", arrays, kind="tables", step=1.0)
    assert run(TABLES_OF_ZEROS, path).split() == ["False", "False"]
