"""Rate-distortion curves of measured images, compared and in the format of others (Sec. 5.3).

A curve has one point for each quality, the means over images, and belongs to a method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import npuq
from npuq.evaluation.comparison import bd_rate
from npuq.evaluation.records import Record, mean_records


def bd_rates(records: Sequence[Record], reference: str) -> dict[str, float | str]:
    """How many more bits each other method needs at equal PSNR, by the means over images.

    Args:
        records: of one image or of several, by two methods or more, of one kind of model.
        reference: the method to compare with.

    Returns:
        By method: percent, negative if it needs fewer bits (`bd_rate`); or why there is no such
        number.
    """
    points = {method: _points(own) for method, own in _by_method(records).items()}
    found: dict[str, float | str] = {}
    for method in points:
        if method == reference:
            continue
        try:
            found[method] = bd_rate(*points.get(reference, ([], [])), *points[method])
        except ValueError as error:
            found[method] = str(error)
    return found


def compressai_results(records: Sequence[Record], name: str) -> dict[str, dict[str, Any]]:
    """Each method's curve as CompressAI's evaluation writes it, and its plots read it.

    Args:
        records: as for `bd_rates`.
        name: of the model.

    Returns:
        By method: {"name", "description", "results": {"bpp", "psnr-rgb", "ms-ssim-rgb"}}, lists of
        one length from small to large files. MS-SSIM is left out where a picture is too small for
        it, and so is a point without errors, whose PSNR is infinite: JSON has no such numbers.
    """
    found = {}
    for method, own in _by_method(records).items():
        shown = [record for record in mean_records(own) if math.isfinite(record.psnr)]
        shown.sort(key=lambda record: record.bpp)
        results = {
            "bpp": [record.bpp for record in shown],
            "psnr-rgb": [record.psnr for record in shown],
            "ms-ssim-rgb": [record.ms_ssim for record in shown],
        }
        if not all(map(math.isfinite, results["ms-ssim-rgb"])):
            del results["ms-ssim-rgb"]
        images = len({record.image for record in own})
        found[method] = {
            "name": f"npuq-{name}-{method}",
            "description": f"npuq {npuq.__version__}, real files, means over {images} image(s)",
            "results": results,
        }
    return found


def _by_method(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.method, []).append(record)
    return found


def _points(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    means = mean_records(records)
    return [mean.bpp for mean in means], [mean.psnr for mean in means]
