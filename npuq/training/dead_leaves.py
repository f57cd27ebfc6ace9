"""Pictures without a camera: the dead leaves model (Lee, Mumford & Huang 2001).

Leaves fall on each other at random; their sizes follow a power law, which makes the statistics
(edges, occlusion, a spectrum near 1/f^2) independent of scale and like those of photographs.
They serve as built-in examples and as training data that needs no download.

Coordinates are in pixels of the final picture, (row, column); it is drawn with two samples a
pixel in both directions and averaged, so that edges are smooth. L: number of leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npuq.backend import Array

SAMPLES = 2  # a pixel, in either direction
CHUNK = 4096  # leaves drawn at once
SCATTERED = 2000  # so few bare samples are tested against a leaf in the time one step takes
BAND = 64  # rows painted at once: the working arrays stay in the cache, the memory bounded
NOISE_SIZE = 256  # period of the noise texture, in samples

# First words of the seeds of pictures in trainings. Shorter seeds count as filled up with zeros:
# without a word of their own, the two kinds would have pictures in common with each other, and
# random numbers with the training itself, whose seeds begin with the number that the user gives.
TRAINING_PICTURES, VALIDATION_PICTURES = 0x6C656176, 0x6C656166

# Grey, blue-yellow and green-magenta: the principal axes of colour in photographs, with the
# spread of each. Channels of natural pictures are strongly correlated.
COLOUR_AXES = np.array([[1.0, 1.0, 1.0], [1.0, 0.1, -0.9], [0.5, -0.8, 0.5]])
COLOUR_SPREAD = np.array([0.5, 0.2, 0.1])


class Leaves(NamedTuple):
    """Ellipses a dy^2 + 2 b dy dx + c dx^2 < 1 about a centre, front to back, each (L,)."""

    row: Array
    column: Array
    a: Array
    b: Array
    c: Array
    reach_row: Array  # half the height and width of the bounding box
    reach_column: Array


class Surfaces(NamedTuple):
    """What is painted on each leaf; the brightness is a product, as light on matter is."""

    colour: Array  # (L, 3), 0 to 255
    slope: Array  # (L, 2): change of brightness per unit of distance (row, column)
    bulge: Array  # (L,): darkening from the centre to the rim
    wave: Array  # (L, 2): angular frequency of the stripes, radians a pixel
    phase: Array  # (L,)
    stripes: Array  # (L,): their contrast
    shift: Array  # (L, 2): where in the noise texture the leaf was cut out
    grain: Array  # (L,): contrast of the noise


def dead_leaves(
    height: int,
    width: int,
    *,
    seed: int | Sequence[int],
    smallest_radius: float = 4.0,
    largest_radius: float | None = None,
) -> Array:
    """A random picture of overlapping textured leaves (Lee, Mumford & Huang 2001, Sec. 3).

    Radii have a density proportional to r^-3, positions are uniform, and whether a leaf lies
    above another does not depend on its size. The leaves are laid front to back until no pixel
    shows the ground: this is a perfect sample of the model's stationary state.

    Args:
        height, width: in pixels, >= 1.
        seed: the same seed gives the same picture.
        smallest_radius, largest_radius: of the leaves, in pixels; the largest is half of the
            picture's longer side by default.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: a size below 1, or radii that are not 0.5 <= smallest < largest.

    Departure: leaves are ellipses rather than discs, and have stripes, grain and shading.
    """
    if largest_radius is None:
        largest_radius = max(height, width) / 2 + 2 * smallest_radius
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1, not {height} and {width}")
    if not 0.5 <= smallest_radius < largest_radius < np.inf:
        raise ValueError(
            "radii must satisfy 0.5 <= smallest < largest, "
            f"not {smallest_radius} and {largest_radius}"
        )
    rng = np.random.default_rng(seed)
    owner, leaves = _lay(rng, height, width, smallest_radius, largest_radius)
    surfaces = _surfaces(rng, len(leaves.row))
    noise = _noise(rng)
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND):
        rows = slice(top * SAMPLES, (top + BAND) * SAMPLES)
        samples = _paint(owner[rows], rows.start, leaves, surfaces, noise)
        blocks = samples.reshape(-1, SAMPLES, width, SAMPLES, 3).mean(axis=(1, 3))
        image[top : top + BAND] = np.rint(np.clip(blocks, 0, 255))
    return image


def dead_leaves_batch(
    *, seed: int, step: int, batch_size: int = 8, crop: int = 256, part: slice = slice(None)
) -> Array:
    """A training batch of dead leaves, each picture drawn anew: a pure function of its arguments.

    Args:
        seed: of the whole training, >= 0.
        step: the training step, >= 0.
        batch_size: B.
        crop: C, in pixels.
        part: which pictures of the batch to draw.

    Returns:
        uint8 (B, C, C, 3), or fewer with `part`.
    """
    seeds = [(TRAINING_PICTURES, seed, step, i) for i in range(batch_size)[part]]
    return np.stack([dead_leaves(crop, crop, seed=words) for words in seeds])


def dead_leaves_validation(*, seed: int, count: int = 8, crop: int = 256) -> Array:
    """Pictures that occur in no batch of `dead_leaves_batch`.

    Args:
        seed: of the whole training, >= 0.
        count: N.
        crop: C, in pixels.

    Returns:
        uint8 (N, C, C, 3).
    """
    seeds = [(VALIDATION_PICTURES, seed, i) for i in range(count)]
    return np.stack([dead_leaves(crop, crop, seed=words) for words in seeds])


def _lay(
    rng: np.random.Generator, height: int, width: int, smallest: float, largest: float
) -> tuple[Array, Leaves]:
    """Leaves until all is covered: the number of the topmost at each sample, and those seen."""
    owner = np.full((height * SAMPLES, width * SAMPLES), -1, np.int32)
    chunks: list[Leaves] = []
    count, bare = 0, owner.size
    while bare > 0:
        leaves = _fall(rng, height, width, smallest, largest)
        # Both ways give the same picture; what is fast depends on how much is still to cover.
        cover = _cover_leafwise if bare > SCATTERED else _cover_samplewise
        bare = cover(owner, leaves, count, bare)
        count += len(leaves.row)
        chunks.append(leaves)
    seen = np.bincount(owner.ravel(), minlength=count) > 0
    all_leaves = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return (np.cumsum(seen) - 1)[owner], Leaves(*(part[seen] for part in all_leaves))


def _fall(
    rng: np.random.Generator, height: int, width: int, smallest: float, largest: float
) -> Leaves:
    """The next leaves of the model on the whole plane, less those that miss the picture."""
    t = rng.random(CHUNK)
    radius = smallest / np.sqrt(1 - t * (1 - (smallest / largest) ** 2))  # density ~ r^-3
    row = rng.uniform(-largest, height + largest, CHUNK)
    column = rng.uniform(-largest, width + largest, CHUNK)
    narrow = radius * rng.uniform(0.45, 1.0, CHUNK)
    angle = rng.uniform(0, np.pi, CHUNK)
    sine, cosine = np.sin(angle), np.cos(angle)
    p, q = radius**-2, narrow**-2
    leaves = Leaves(
        row,
        column,
        a=p * sine**2 + q * cosine**2,
        b=(p - q) * sine * cosine,
        c=p * cosine**2 + q * sine**2,
        reach_row=np.hypot(radius * sine, narrow * cosine),
        reach_column=np.hypot(radius * cosine, narrow * sine),
    )
    seen = (row + leaves.reach_row > 0) & (row - leaves.reach_row < height)
    seen &= (column + leaves.reach_column > 0) & (column - leaves.reach_column < width)
    return Leaves(*(part[seen].astype(np.float32) for part in leaves))


def _centres(count: int) -> Array:
    """Positions of samples along one axis, in pixels."""
    return (np.arange(count, dtype=np.float32) + 0.5) / SAMPLES


def _cover_leafwise(owner: Array, leaves: Leaves, first: int, bare: int) -> int:
    """Give each bare sample under a leaf to it, leaf by leaf; returns how many stay bare."""
    rows, columns = _centres(owner.shape[0]), _centres(owner.shape[1])
    boxes = [
        np.clip(np.rint(edge * SAMPLES), 0, size).astype(int).tolist()
        for centre, reach, size in (
            (leaves.row, leaves.reach_row, owner.shape[0]),
            (leaves.column, leaves.reach_column, owner.shape[1]),
        )
        for edge in (centre - reach, centre + reach)
    ]
    shapes = [part.tolist() for part in leaves[:5]]  # numbers of Python: quick to take one
    for i, (y0, y1, x0, x1, row, column, a, b, c) in enumerate(zip(*boxes, *shapes, strict=True)):
        patch = owner[y0:y1, x0:x1]
        free = patch < 0
        if not free.any():
            continue
        dy = (rows[y0:y1] - row)[:, None]
        dx = columns[x0:x1] - column
        inside = (a * dy**2 + (2 * b) * dy * dx + c * dx**2 < 1) & free
        patch[inside] = first + i
        bare -= int(np.count_nonzero(inside))
        if bare == 0:
            break
    return bare


def _cover_samplewise(owner: Array, leaves: Leaves, first: int, bare: int) -> int:
    """The same, sample by sample: which is the first of the leaves that covers it?"""
    y, x = np.nonzero(owner < 0)
    dy = _centres(owner.shape[0])[y, None] - leaves.row
    dx = _centres(owner.shape[1])[x, None] - leaves.column
    inside = leaves.a * dy**2 + (2 * leaves.b) * dy * dx + leaves.c * dx**2 < 1
    hit = inside.any(axis=1)
    owner[y[hit], x[hit]] = first + inside[hit].argmax(axis=1)
    return bare - int(np.count_nonzero(hit))


def _surfaces(rng: np.random.Generator, count: int) -> Surfaces:
    """Random paint; contrasts are exponential: most leaves are calm, some are busy."""
    mood = rng.normal([-0.1, 0.06, -0.03], [0.15, 0.1, 0.04])  # common to the whole picture
    coordinates = rng.normal(mood, COLOUR_SPREAD, (count, 3))
    wavelength = 3.0 * (12.0 ** rng.random(count))  # 3 to 36 pixels, uniform in the logarithm
    direction = rng.uniform(0, 2 * np.pi, (2, count))
    wave = np.stack([np.sin(direction[0]), np.cos(direction[0])], axis=1)
    slope = np.stack([np.sin(direction[1]), np.cos(direction[1])], axis=1)
    surfaces = Surfaces(
        colour=255 / (1 + np.exp(-2 * coordinates @ COLOUR_AXES)),
        slope=slope * rng.uniform(0, 0.3, (count, 1)),
        bulge=rng.uniform(-0.05, 0.35, count),
        wave=wave * (2 * np.pi / wavelength)[:, None],
        phase=rng.uniform(0, 2 * np.pi, count),
        stripes=np.minimum(rng.exponential(0.06, count), 0.35),
        shift=rng.integers(NOISE_SIZE, size=(count, 2)),
        grain=np.minimum(rng.exponential(0.08, count), 0.35),
    )
    return Surfaces(
        *(part if part.dtype.kind == "i" else part.astype(np.float32) for part in surfaces)
    )


def _noise(rng: np.random.Generator) -> Array:
    """Periodic Gaussian noise of unit variance with amplitudes falling like 1/f."""
    spectrum = np.fft.rfft2(rng.normal(size=(NOISE_SIZE, NOISE_SIZE)))
    frequency = np.hypot(
        np.fft.fftfreq(NOISE_SIZE)[:, None], np.fft.rfftfreq(NOISE_SIZE)[None]
    ).clip(8 / NOISE_SIZE)  # no structure larger than 32 samples: that is the shading's part
    noise = np.fft.irfft2(spectrum / frequency, s=(NOISE_SIZE, NOISE_SIZE))
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def _paint(owner: Array, first_row: int, leaves: Leaves, surfaces: Surfaces, noise: Array) -> Array:
    """The colours (0 to 255, not clipped) of a band of samples: float32 (rows, columns, 3)."""
    y = np.arange(first_row, first_row + owner.shape[0])[:, None]
    x = np.arange(owner.shape[1])
    dy = (y.astype(np.float32) + 0.5) / SAMPLES - leaves.row[owner]
    dx = (x.astype(np.float32) + 0.5) / SAMPLES - leaves.column[owner]
    # distances along the axes in units of the leaf's size, so that shading spans the leaf
    towards_row = dy / leaves.reach_row[owner]
    towards_column = dx / leaves.reach_column[owner]
    light = 1 + surfaces.slope[:, 0][owner] * towards_row
    light += surfaces.slope[:, 1][owner] * towards_column
    light -= surfaces.bulge[owner] * (towards_row**2 + towards_column**2)
    angle = surfaces.wave[:, 0][owner] * dy + surfaces.wave[:, 1][owner] * dx
    angle += surfaces.phase[owner]
    light += surfaces.stripes[owner] * np.sin(angle)
    shift_row, shift_column = surfaces.shift[:, 0][owner], surfaces.shift[:, 1][owner]
    grain = noise[(y + shift_row) % NOISE_SIZE, (x + shift_column) % NOISE_SIZE]
    light += surfaces.grain[owner] * grain
    return surfaces.colour[owner] * light[..., None]
