"""Records of measured images: the columns of every report, their means, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple


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


class Failure(NamedTuple):
    """What stands in a report in the place of the records of an image that has none.

    Attributes:
        image: path of the image.
        error: why it cannot be read or compressed.
    """

    image: str
    error: str


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
