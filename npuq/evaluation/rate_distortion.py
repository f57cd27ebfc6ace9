"""Rate and distortion of real files: what Sec. 5.3 reports.

An image is compressed into the bytes of a file, decoded from those bytes, and compared with the
original; nothing is taken from the model's word. Beside it stands what the model had estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from npuq.backend import Array
from npuq.codec.container import unpack
from npuq.codec.files import (
    compress,
    dequantize,
    estimated_bits,
    promised_bits,
    quantize,
    read_symbols,
)
from npuq.errors import InvalidImageError, ModelError
from npuq.evaluation.metrics import ms_ssim, mse, psnr
from npuq.evaluation.records import Failure, Record
from npuq.io.images import read_image
from npuq.ranks.alone import ALONE, Ranks
from npuq.trained.linear import LINEAR
from npuq.trained.methods import softness_of
from npuq.trained.model import Model, on_device
from npuq.trained.shipped import shipped_model, shipped_qualities


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


def jobs_for(
    methods: Sequence[str], qualities: Sequence[int], kind: str = LINEAR.name
) -> list[Job]:
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
        softness_of(model, method)
    return [Job(model, method, None) for method in methods]


def all_qualities(kind: str = LINEAR.name) -> tuple[int, ...]:
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
    device: str = "cpu",
) -> Evaluation:
    """Compress and decode one image and measure both sides of the bargain (Sec. 5.3).

    Args:
        image: (H, W, 3) uint8.
        model: to compress with.
        method: one of the three approaches.
        name: of the image, for the record.
        quality: of the model, for the record.
        seed: of the dither.
        device: "cpu" or "cuda", where transforms are computed, there and back.

    Raises:
        InvalidImageError: not such an image.
        ModelError: the method does not go with the model.
        AssertionError: the file does not decode to the symbols that went in (never).
    """
    model = on_device(model, device)
    data = compress(image, method=method, model=model, seed=seed, device=device)
    return evaluate_file(data, image, Job(model, method, quality), name=name, seed=seed)


def evaluate_file(data: bytes, image: Array, job: Job, *, name: str, seed: int = 0) -> Evaluation:
    """Decode a file and compare it with the image that it was made of (Sec. 5.3).

    Args:
        data: the contents of the file.
        image: (H, W, 3) uint8, the original.
        job: how the file was made; with a model on a device (`npuq.trained.model.on_device`), the
            transforms are computed there.
        name: of the image, for the record.
        seed: of the dither.

    Raises:
        InvalidFileError: not a sound file.
        WrongModelError: made with another model.
        AssertionError: the file does not decode to the symbols of the image (never).
    """
    model, method, quality = job
    symbols, _, _ = read_symbols(data, model)
    sent = quantize(image, model, method, seed)
    if not symbols.same_as(sent):
        raise AssertionError(f"{name}: the file does not decode to the symbols of the image")
    decoded = dequantize(symbols, model, method)
    pixels = image.shape[0] * image.shape[1]
    estimated = estimated_bits(symbols, model, method)
    record = Record(
        image=name,
        model=model.name,
        method=method,
        quality=quality,
        bytes=len(data),
        bpp=8 * len(data) / pixels,
        bpp_estimated=estimated / pixels,
        psnr=psnr(image, decoded),
        mse=mse(image, decoded),
        ms_ssim=ms_ssim(image, decoded),
    )
    payload_bits = 8 * sum(len(stream) for stream in unpack(data)[1])
    promised = promised_bits(symbols, model, method)
    return Evaluation(record, payload_bits, promised, estimated, decoded)


def evaluate_files(
    paths: Sequence[Path],
    jobs: Sequence[Job],
    *,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 2,
    ranks: Ranks = ALONE,
) -> Iterator[list[Record] | Failure]:
    """The records of each image file in turn, one per job; one bad file does not end the rest.

    Args:
        paths: image files.
        jobs: ways to compress.
        seed: of the dither, the same for all.
        device: "cpu" or "cuda", where transforms are computed.
        threads: images in work at a time; most of the time goes into MS-SSIM, outside the GIL.
        ranks: that divide the images among them; rank 0 yields all, others yield nothing.

    Yields:
        The records of one image, in the order of the jobs, or a `Failure`.
    """

    jobs = [job._replace(model=on_device(job.model, device)) for job in jobs]

    def evaluate(number: int) -> list[Record] | Failure:
        path = paths[number]
        try:
            image = read_image(path)
            return [
                evaluate_image(
                    image,
                    job.model,
                    job.method,
                    name=str(path),
                    quality=job.quality,
                    seed=seed,
                    device=device,
                ).record
                for job in jobs
            ]
        except (InvalidImageError, ModelError) as error:
            return Failure(str(path), str(error))

    yield from ranks.in_order(evaluate, len(paths), threads)
