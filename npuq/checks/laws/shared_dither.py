"""Laws of the dither of several images and tensors: who shares one, and who must not (Sec. 3.2).

Statistical bounds are those of `npuq.checks.laws.noise`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks.law import NO_FLOATS, Functions, Law, Observation
from npuq.checks.laws.asking import beside
from npuq.checks.laws.noise import BOUND, DEVIATIONS

NAME = "batch_dither"
SHAPE = (4, 24, 40)
SEEDS = (5, 17, 3)


def _draw(functions: Functions, seeds: tuple[int, ...], tensor: int) -> Array:
    arguments = SHAPE, np.array(seeds), tensor
    u = functions[NAME](*arguments)
    return beside(NAME, arguments, u, np.zeros((len(seeds), *SHAPE)), 0).observed


def _uncorrelated(
    seeds: tuple[int, ...], tensor: int, a: Array, b: Array, read: str
) -> Observation:
    product = 12 * ((a - a.mean()) * (b - b.mean())).mean()
    return beside(NAME, (SHAPE, np.array(seeds), tensor), product, 0.0,
                  DEVIATIONS / np.sqrt(a.size), pointwise=False, read=read)  # fmt: skip


def _other(seeds: str, tensor: int) -> str:
    return f"np.asarray({{f}}({SHAPE}, {{w}}(np.array({seeds})), {tensor}))"


def _product(a: str, b: str) -> str:
    return f"12 * np.mean(((x := {a}) - x.mean()) * ((y := {b}) - y.mean()))"


def _position(functions: Functions) -> Iterator[Observation]:
    """An image alone, and in the middle of a batch in which others come before it."""
    alone = _draw(functions, SEEDS[1:2], 0)[0]
    for place, seeds in enumerate((SEEDS[1:], SEEDS, (SEEDS[0], SEEDS[2], SEEDS[1]))):
        u = _draw(functions, seeds, 0)[place]
        read = f"abs(np.asarray({{}})[{place}] - {_other(str([SEEDS[1]]), 0)}[0]).max()"
        yield beside(NAME, (SHAPE, np.array(seeds), 0), abs(u - alone).max(), 0.0, 0.0,
                     pointwise=False, read=read)  # fmt: skip


def _images(functions: Functions) -> Iterator[Observation]:
    u = _draw(functions, SEEDS, 0)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        read = _product(f"(a := np.asarray({{}}))[{a}]", f"a[{b}]")
        yield _uncorrelated(SEEDS, 0, u[a], u[b], read)


def _tensors(functions: Functions) -> Iterator[Observation]:
    """Also across images, where sums of seed and tensor are the same."""
    seeds = (5, 6, 7)
    u, other = (_draw(functions, seeds, tensor) for tensor in (0, 1))
    for a, b in ((0, 0), (1, 0), (0, 1)):
        read = _product(f"np.asarray({{}})[{a}]", f"{_other(str(list(seeds)), 1)}[{b}]")
        yield _uncorrelated(seeds, 0, u[a], other[b], read)


LAWS = (
    Law(
        f"{NAME}.position", "Sec. 3.2", (NAME,),
        "the dither of an image does not depend on its place in a batch, nor on the others", "0",
        "a file that decodes in the batch that it was made in, and nowhere else", _position,
        NO_FLOATS,
    ),
    Law(
        f"{NAME}.images", "Sec. 3.2", (NAME,), "no correlation between images of two seeds", BOUND,
        "one pattern of errors in all images, which is seen as a film goes on", _images,
        NO_FLOATS, of_digits=False,
    ),
    Law(
        f"{NAME}.tensors", "Sec. 3.2", (NAME,),
        "no correlation between two tensors of one image, nor between neighbouring seeds", BOUND,
        "latents and hyper-latents tell each other's noise: less of a bottleneck", _tensors,
        NO_FLOATS, of_digits=False,
    ),
)  # fmt: skip
