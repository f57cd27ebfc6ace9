"""The best file that is not larger than asked for: which quality and method to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from npuq.backend import Array
from npuq.codec.files import compress, decompress
from npuq.errors import TargetError
from npuq.evaluation.metrics import mse, psnr
from npuq.evaluation.rate_distortion import Job


class Fit(NamedTuple):
    """A compressed file, how it was made, and how many ways there were that fit.

    Attributes:
        data: contents of the file.
        job: the model, method and quality that were taken.
        psnr: decibels.
        fitting: how many of the jobs make no larger file than was asked for.
    """

    data: bytes
    job: Job
    psnr: float
    fitting: int


def compress_to_fit(
    image: Array, jobs: Sequence[Job], largest: int, *, seed: int = 0, device: str = "cpu"
) -> Fit:
    """The file of least distortion among those of at most so many bytes, by squared error.

    The image is compressed in every way and decoded where the file fits, as neither size nor
    distortion need follow the quality; of equally good files, the smallest is taken.

    Args:
        image: (H, W, 3) uint8.
        jobs: the ways to compress it.
        largest: bytes that the file may have.
        seed: of the dither.
        device: "cpu", "cuda" or "auto", see `npuq.compress`.

    Raises:
        TargetError: every file would be larger; the message says how large the smallest is.
        InvalidImageError, ModelError: as `compress`.
    """
    best: tuple[float, int, bytes, Job] | None = None
    quality = 0.0
    sizes: list[tuple[int, Job]] = []
    for job in jobs:
        data = compress(image, method=job.method, model=job.model, seed=seed, device=device)
        sizes.append((len(data), job))
        if len(data) > largest:
            continue
        decoded = decompress(data, model=job.model, device=device)
        error = mse(image, decoded)
        if best is None or (error, len(data)) < best[:2]:
            best, quality = (error, len(data), data, job), psnr(image, decoded)
    if best is None:
        size, job = min(sizes, key=lambda found: found[0])
        raise TargetError(
            f"no file is as small as {largest} bytes; the smallest has {size} "
            f"({8 * size / (image.shape[0] * image.shape[1]):.4f} bpp), by {named(job)}"
        )
    return Fit(*best[2:], quality, sum(size <= largest for size, _ in sizes))


def named(job: Job) -> str:
    """A way to compress, in words."""
    return job.method if job.quality is None else f"{job.method} at quality {job.quality}"
