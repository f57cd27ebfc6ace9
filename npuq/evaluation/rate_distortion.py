"""Rate and distortion of real files: what Sec. 5.3 reports.

An image is compressed into the bytes of a file, decoded from those bytes, and compared with the
original; nothing is taken from the model's word. Beside it stands what the model had estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec import files as codec
from npuq.coding.container import unpack
from npuq.errors import InvalidImageError, ModelError
from npuq.evaluation.metrics import ms_ssim, mse, psnr
from npuq.io.images import read_image
from npuq.trained.model import LINEAR, Model
from npuq.trained.shipped import shipped_model, shipped_qualities


class Record(NamedTuple):
    """One point of a rate-distortion curve, for one image; the columns of every report.

    Attributes:
        image: path of the image.
        model: name of the model.
        method: "un+q", "un+uq" or "un+uq+sr".
        quality: of a model that comes with the package, else None.
        bytes: length of the whole file.
        bpp: bits of the whole file per pixel.
        bpp_estimated: by the float model, for the same symbols.
        psnr: decibels.
        mse: mean squared error, grey levels squared.
        ms_ssim: not a number for pictures below 161 pixels a side.
    """

    image: str
    model: str
    method: str
    quality: int | None
    bytes: int
    bpp: float
    bpp_estimated: float
    psnr: float
    mse: float
    ms_ssim: float


class Evaluation(NamedTuple):
    """A record and what else one learns on the way to it.

    Attributes:
        record: for reports.
        payload_bits: length of the entropy-coded streams, without header and checksums.
        promised_bits: what the integer tables promise for the symbols.
        estimated_bits: what the float model estimates for them.
        decoded: the image in the file, (H, W, 3) uint8.
    """

    record: Record
    payload_bits: int
    promised_bits: float
    estimated_bits: float
    decoded: Array


class Job(NamedTuple):
    """A way to compress: a model, a method, and the model's quality if it has one."""

    model: Model
    method: str
    quality: int | None


def jobs_for(methods: Sequence[str], qualities: Sequence[int], kind: str = LINEAR) -> list[Job]:
    """Jobs with the models of a kind that come with the package, by quality, then by method.

    Raises:
        ModelError: no such method, quality or kind.
    """
    return [Job(shipped_model(m, q, kind), m, q) for q in qualities for m in methods]


def jobs_for_model(model: Model, methods: Sequence[str] | None) -> list[Job]:
    """Jobs with one model; without `methods`, those of Sec. 5.1 that it was trained for.

    Raises:
        ModelError: one of the methods does not go with the model.
    """
    if methods is None:
        methods = ("un+uq+sr",) if model.alpha > 0 else ("un+q", "un+uq")
    for method in methods:
        codec.softness_of(model, method)
    return [Job(model, method, None) for method in methods]


def all_qualities(kind: str = LINEAR) -> tuple[int, ...]:
    """The qualities of a kind of model that come with the package.

    Raises:
        ModelError: none do.
    """
    if not shipped_qualities(kind):
        raise ModelError(f"no {kind} models come with this copy of npuq; give a model file")
    return shipped_qualities(kind)


def evaluate_image(
    image: Array,
    model: Model,
    method: str,
    *,
    name: str = "",
    quality: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Compress and decode one image and measure both sides of the bargain (Sec. 5.3).

    Args:
        image: (H, W, 3) uint8.
        model: to compress with.
        method: one of the three approaches.
        name: of the image, for the record.
        quality: of the model, for the record.
        seed: of the dither.

    Raises:
        InvalidImageError: not such an image.
        ModelError: the method does not go with the model.
        AssertionError: the file does not decode to the symbols that went in (never).
    """
    data = codec.compress(image, method=method, model=model, seed=seed)
    return evaluate_file(data, image, Job(model, method, quality), name=name, seed=seed)


def evaluate_file(data: bytes, image: Array, job: Job, *, name: str, seed: int = 0) -> Evaluation:
    """Decode a file and compare it with the image that it was made of (Sec. 5.3).

    Args:
        data: the contents of the file.
        image: (H, W, 3) uint8, the original.
        job: how the file was made.
        name: of the image, for the record.
        seed: of the dither.

    Raises:
        InvalidFileError: not a sound file.
        WrongModelError: made with another model.
        AssertionError: the file does not decode to the symbols of the image (never).
    """
    model, method, quality = job
    symbols, _, _ = codec.read_symbols(data, model)
    sent = codec.quantize(image, model, method, seed)
    if not all(np.array_equal(a, b) for a, b in zip(symbols, sent, strict=True)):
        raise AssertionError(f"{name}: the file does not decode to the symbols of the image")
    decoded = codec.dequantize(symbols, model, method)
    pixels = image.shape[0] * image.shape[1]
    estimated_bits = codec.estimated_bits(symbols, model, method)
    record = Record(
        image=name,
        model=model.name,
        method=method,
        quality=quality,
        bytes=len(data),
        bpp=8 * len(data) / pixels,
        bpp_estimated=estimated_bits / pixels,
        psnr=psnr(image, decoded),
        mse=mse(image, decoded),
        ms_ssim=ms_ssim(image, decoded),
    )
    payload_bits = 8 * sum(len(stream) for stream in unpack(data)[1])
    promised_bits = codec.promised_bits(symbols, model, method)
    return Evaluation(record, payload_bits, promised_bits, estimated_bits, decoded)


class Failure(NamedTuple):
    """What stands in a report in the place of the records of an image that has none.

    Attributes:
        image: path of the image.
        error: why it cannot be read or compressed.
    """

    image: str
    error: str


def evaluate_files(
    paths: Sequence[Path], jobs: Sequence[Job], *, seed: int = 0, threads: int = 2
) -> Iterator[list[Record] | Failure]:
    """The records of each image file in turn, one per job; one bad file does not end the rest.

    Args:
        paths: image files.
        jobs: ways to compress.
        seed: of the dither, the same for all.
        threads: images in work at a time; most of the time goes into MS-SSIM, outside the GIL.

    Yields:
        The records of one image, in the order of the jobs, or a `Failure`.
    """

    def evaluate(path: Path) -> list[Record] | Failure:
        try:
            image = read_image(path)
            return [
                evaluate_image(
                    image, job.model, job.method, name=str(path), quality=job.quality, seed=seed
                ).record
                for job in jobs
            ]
        except (InvalidImageError, ModelError) as error:
            return Failure(str(path), str(error))

    pool = ThreadPoolExecutor(threads, thread_name_prefix="npuq-evaluate")
    try:
        yield from pool.map(evaluate, paths)
    finally:
        pool.shutdown(cancel_futures=True)


def mean_records(records: Sequence[Record]) -> list[Record]:
    """Means over the images for each model, method and quality, in the order of their appearance.

    Rates and PSNRs are averaged as they are, as in Fig. 2. `image` is "mean of n", `bytes` is
    rounded.
    """
    groups: dict[tuple[str, str, int | None], list[Record]] = {}
    for record in records:
        groups.setdefault(record[1:4], []).append(record)
    means = []
    for key, group in groups.items():
        columns = zip(*(record[4:] for record in group), strict=True)
        size, *figures = (math.fsum(column) / len(group) for column in columns)
        means.append(Record(f"mean of {len(group)}", *key, round(size), *figures))
    return means


def as_json(records: Sequence[Record | Failure]) -> list[dict[str, Any]]:
    """The records as JSON can hold them: what is not a finite number becomes null.

    A failure is an object of the image's name and of the error alone.
    """

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return [{key: plain(value) for key, value in r._asdict().items()} for r in records]
