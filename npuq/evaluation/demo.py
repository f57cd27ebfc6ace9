"""The three approaches side by side on one picture, like Fig. 7.

Every reconstruction comes out of a file that was written to the disk and read back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.codec.files import compress
from npuq.evaluation.figures import TITLES, new_figure, write_figure
from npuq.evaluation.rate_distortion import Evaluation, Job, evaluate_file
from npuq.io.atomic import write_bytes_atomically

DETAIL = 0.16  # of the picture's larger side: the side of what is shown enlarged
SMOOTH, EDGE = 3, 20  # differences of neighbours in grey levels: less, more
EDGES_ENOUGH = 0.1  # a share of a square; more is texture
MARK = "#ffd400"  # stands out from most pictures


def run_demo(image: Array, jobs: Sequence[Job], *, name: str, seed: int = 0) -> list[Evaluation]:
    """Compress into files in a temporary folder, decode from them, and measure (Sec. 5.3).

    Args:
        image: (H, W, 3) uint8.
        jobs: the approaches.
        name: of the image, for the records.
        seed: of the dither.
    """
    evaluations = []
    with tempfile.TemporaryDirectory(prefix="npuq-demo-") as place:
        for number, job in enumerate(jobs):
            path = Path(place) / f"{number}.npuq"
            data = compress(image, method=job.method, model=job.model, seed=seed)
            write_bytes_atomically(path, data)
            evaluations.append(evaluate_file(path.read_bytes(), image, job, name=name, seed=seed))
    return evaluations


def titles(evaluations: Sequence[Evaluation]) -> list[str]:
    """Captions as in Fig. 7: rates in bits per pixel, and in percent of the first one's."""
    first = evaluations[0].record.bpp
    return [
        f"{TITLES[r.method]}, bpp: {r.bpp:.3f} ({100 * r.bpp / first:.0f}%), PSNR: {r.psnr:.2f}"
        for r in (evaluation.record for evaluation in evaluations)
    ]


def most_telling(image: Array, side: int) -> tuple[int, int]:
    """Top left corner of the square that shows best what quantization does.

    That is one with an edge in its middle and smooth surfaces around it: in these, rounding leaves
    blocks and noise leaves grain, while texture hides both.

    Args:
        image: (H, W, 3) uint8.
        side: of the square, at most H and W.

    Returns:
        (top, left).
    """
    grey = image.mean(axis=2)
    change = np.zeros(grey.shape)
    change[1:] = np.abs(np.diff(grey, axis=0))
    change[:, 1:] = np.maximum(change[:, 1:], np.abs(np.diff(grey, axis=1)))
    smooth = _shares(change < SMOOTH, side)
    inner = -(-side // 2)
    margin = (side - inner) // 2
    edges = _shares(change > EDGE, inner)[margin:, margin:]
    edges = edges[: smooth.shape[0], : smooth.shape[1]]
    score = (smooth + 0.01) * (np.minimum(edges, EDGES_ENOUGH) + 0.001)
    top, left = np.unravel_index(int(score.argmax()), score.shape)
    return int(top), int(left)


def _shares(where: Array, side: int) -> Array:
    """The share of each square of this side that is True, by its top left corner."""
    sums = np.pad(where.astype(float).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    boxes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(boxes / side**2)


def write_comparison(
    path: str | Path, image: Array, groups: Mapping[str, Sequence[Evaluation]]
) -> None:
    """Draw the original and the reconstructions, each above the same enlarged detail (Fig. 7).

    Args:
        path: of the picture; its suffix chooses the format.
        image: (H, W, 3) uint8, the original.
        groups: for each model, by its name, what the approaches made of the image: one row of
            pictures. The first approach counts as 100 % in the captions.

    Raises:
        NpuqError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    rows = [
        (
            [image, *(evaluation.decoded for evaluation in group)],
            [f"Original; {name} model:", *titles(group)],
        )
        for name, group in groups.items()
    ]
    write_figure(path, _draw(rows))


def _draw(rows: Sequence[tuple[Sequence[Array], Sequence[str]]]) -> Any:
    """Rows of pictures with captions, and details under each."""
    image, count = rows[0][0][0], len(rows[0][0])
    height, width = image.shape[:2]
    side = min(max(round(DETAIL * max(height, width)), 8), height, width)
    top, left = most_telling(image, side)
    column = 4.8  # inches
    shape = min(max(height / width, 0.2), 2.0)
    figure = new_figure(
        figsize=(column * count, (column * (shape + 1.0) + 0.5) * len(rows)), dpi=100
    )
    axes = figure.subplots(
        2 * len(rows), count, squeeze=False, height_ratios=[shape, 1.0] * len(rows)
    )
    for number, (pictures, captions) in enumerate(rows):
        pairs = zip(*axes[2 * number : 2 * number + 2], strict=True)
        for (above, below), picture, caption in zip(pairs, pictures, captions, strict=True):
            above.imshow(picture)
            above.set_title(caption, fontsize=13)
            _mark(above, below, picture, top, left, side)
    return figure


def _mark(above: Any, below: Any, picture: Array, top: int, left: int, side: int) -> None:
    """Show a detail of the upper picture in the lower one."""
    from matplotlib.patches import Rectangle

    above.add_patch(
        Rectangle((left - 0.5, top - 0.5), side, side, fill=False, color=MARK, linewidth=1.5)
    )
    below.imshow(picture[top : top + side, left : left + side], interpolation="nearest")
    for axis in (above, below):
        axis.set_xticks([])
        axis.set_yticks([])
    for spine in below.spines.values():
        spine.set(color=MARK, linewidth=2)
    for spine in above.spines.values():
        spine.set_visible(False)
