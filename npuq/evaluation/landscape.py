"""A picture without a camera that shows what quantization does: a lighthouse at a bay.

Sky and water change slowly: there, rounded coefficients leave blocks, and noise leaves grain. The
lighthouse, a boat and ridges stand before them with sharp edges, and a shore of stones (dead
leaves) takes many bits. `npuq demo` compresses it.

Coordinates are in units of the picture's height, (y, x) from the top left corner. Surfaces are
painted pixel by pixel; their outlines are drawn with SAMPLES a pixel in both directions and
averaged, so that edges are smooth.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.training.dead_leaves import dead_leaves

SAMPLES = 2  # a pixel, in either direction
SMALLEST = 16  # pixels a side
WATERLINE = 0.60
ZENITH, SKY, DUSK = (46, 92, 160), (150, 180, 205), (250, 214, 170)
SUN = 0.47, 0.63
SEA = (34, 66, 92)
RIDGES = (  # where its foot is, how high and rough it is, its colour and its texture's contrast
    (0.500, 0.100, 0.018, (150, 152, 176), 0.02),
    (0.545, 0.060, 0.016, (96, 110, 136), 0.04),
    (0.585, 0.030, 0.010, (46, 66, 72), 0.10),
)
TOWER = 1.17, 0.20, 0.72  # x of its axis, y of top and foot
BOAT = 0.665, 0.705  # y of its deck, x of its mast
WHITE, RED, DARK = (236, 232, 224), (176, 44, 40), (52, 52, 58)


class _Canvas:
    """A picture that shapes are laid over; y, x of its pixels, and of the samples of outlines."""

    def __init__(self, height: int, width: int) -> None:
        self.y, self.x = _centres(height, height)[:, None], _centres(width, height)[None]
        self.fine_y = _centres(height * SAMPLES, height * SAMPLES)[:, None]
        self.fine_x = _centres(width * SAMPLES, height * SAMPLES)[None]
        self.picture = np.zeros((height, width, 3))

    def lay(
        self, inside: Array, colour: Array | tuple[int, int, int], light: Array | float = 1.0
    ) -> None:
        """Cover what is inside a shape, (SAMPLES H, SAMPLES W), with a colour times a light."""
        height, width, _ = self.picture.shape
        share = inside.reshape(height, SAMPLES, width, SAMPLES).mean(axis=(1, 3))
        rows, columns = (np.flatnonzero(share.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        shape = self.picture.shape
        paint = np.broadcast_to(np.asarray(colour, float), shape)[box]
        paint = paint * np.broadcast_to(np.asarray(light)[..., None], (*shape[:2], 1))[box]
        self.picture[box] += share[box][..., None] * (paint - self.picture[box])

    def lay_box(
        self, left: float, right: float, top: float, bottom: float, colour: tuple[int, int, int]
    ) -> None:
        """Cover a rectangle."""
        y, x = self.fine_y, self.fine_x
        self.lay((x > left) & (x < right) & (y > top) & (y < bottom), colour)


def landscape(height: int, width: int, *, seed: int) -> Array:
    """A lighthouse at a bay in the evening; widths of 1.5 times the height suit it.

    Args:
        height, width: in pixels, >= 16.
        seed: of clouds, ridges, waves and stones.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: a size below 16.
    """
    if min(height, width) < SMALLEST:
        raise ValueError(f"height and width must be at least {SMALLEST}, not {height} and {width}")
    rng = np.random.default_rng(seed)
    canvas = _Canvas(height, width)
    _paint_sky(canvas, rng)
    for ridge in RIDGES:
        _paint_ridge(canvas, rng, *ridge)
    _paint_water(canvas, rng)
    _paint_shore(canvas, rng)
    _paint_tower(canvas)
    _paint_boat(canvas)
    return np.rint(canvas.picture.clip(0, 255)).astype(np.uint8)


def _paint_sky(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Three colours from top to bottom, the glow of the sun, and clouds."""
    y, x = canvas.y, canvas.x
    t = (y / WATERLINE).clip(0, 1)[..., None]
    canvas.picture += np.multiply(ZENITH, (1 - t) ** 2)
    canvas.picture += np.multiply(SKY, 2 * t * (1 - t)) + np.multiply(DUSK, t**2)
    distance = ((y - SUN[0]) ** 2 + (x - SUN[1]) ** 2)[..., None]
    canvas.picture += np.multiply((70, 50, 10), np.exp(-distance / 0.05))
    canvas.picture += np.multiply((60, 60, 50), np.exp(-distance / 0.004))
    clouds = 1 / (1 + np.exp(-2.5 * (_noise(rng, canvas, 2.1, 3) - 0.3)))[..., None]
    canvas.picture += np.multiply((40, 28, 22), clouds * (0.35 + 0.65 * t))


def _paint_ridge(
    canvas: _Canvas,
    rng: np.random.Generator,
    foot: float,
    height: float,
    roughness: float,
    colour: tuple[int, int, int],
    contrast: float,
) -> None:
    """A mountain as far away as its colour is pale."""
    top = rng.uniform(0.8, 1.5)
    outline = foot - height * np.exp(-(((canvas.fine_x - top) / 0.42) ** 2))
    outline += _profile(rng, canvas.fine_x, roughness)
    texture = 1 + contrast * _noise(rng, canvas, 1.0, 20)
    canvas.lay(canvas.fine_y > outline, colour, texture)


def _paint_water(canvas: _Canvas, rng: np.random.Generator) -> None:
    """The sky's colour far away, the sea's own nearby, waves, and the sun on them."""
    depth = ((canvas.y - WATERLINE) / (1 - WATERLINE)).clip(0, 1)
    waves = np.sin(80 * np.pi * np.log1p(6 * depth) + 4 * np.pi * _noise(rng, canvas, 1.6, 4))
    path = np.exp(-(((canvas.x - SUN[1]) / (0.05 + 0.12 * depth)) ** 2)) * (1 - depth) ** 2
    far = (1 - depth[..., None]) ** 3
    water = np.multiply(DUSK, 0.8 * far) + np.multiply(SEA, 1 - far)
    water = water * (1 + 0.05 * waves * (0.3 + depth))[..., None]
    water += np.multiply((120, 100, 60), (path * (0.6 + 0.4 * waves))[..., None])
    canvas.lay((canvas.fine_y > WATERLINE) & (canvas.fine_x > 0), water)


def _paint_shore(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Stones, darker towards the water."""
    height, width, _ = canvas.picture.shape
    x = canvas.fine_x
    outline = 0.80 - 0.12 * np.exp(-(((x - 1.5) / 0.52) ** 2))
    outline += 0.07 * np.exp(-(((x - 0.375) / 0.45) ** 2)) + _profile(rng, x, 0.008)
    leaves = dead_leaves(
        height, width, seed=int(rng.integers(1 << 32)), smallest_radius=2.5, largest_radius=45.0
    )
    stones = 0.55 * leaves + np.multiply((58, 50, 42), 0.45)
    light = 0.75 + 0.35 * ((canvas.y - outline[:, ::SAMPLES]) / 0.2).clip(0, 1)
    canvas.lay(canvas.fine_y > outline, stones, light)


def _paint_tower(canvas: _Canvas) -> None:
    """White and red, a gallery with a rail, the lantern, a roof."""
    middle, top, foot = TOWER
    y, x = canvas.fine_y, canvas.fine_x
    within = (y > top) & (y < foot)
    radius = 0.038 - 0.014 * (foot - y) / (foot - top)
    side = ((canvas.x - middle) / 0.03 + 0.35).clip(-1, 1.4)
    is_red = np.floor((y - top) / (foot - top) * 5) % 2 == 1
    for colour, where in ((WHITE, ~is_red), (RED, is_red)):
        canvas.lay(within & where & (abs(x - middle) < radius), colour, 1 - 0.3 * side**2)
    canvas.lay_box(middle - 0.036, middle + 0.036, top - 0.012, top, DARK)
    canvas.lay_box(middle - 0.018, middle + 0.018, top - 0.05, top - 0.012, (250, 238, 190))
    for bar in np.linspace(-0.018, 0.018, 4) + middle:
        canvas.lay_box(bar - 0.0015, bar + 0.0015, top - 0.05, top - 0.012, DARK)
    for post in np.linspace(-0.034, 0.034, 7) + middle:
        canvas.lay_box(post - 0.001, post + 0.001, top - 0.03, top - 0.012, DARK)
    canvas.lay_box(middle - 0.035, middle + 0.035, top - 0.031, top - 0.029, DARK)
    roof = (y < top - 0.05) & (abs(x - middle) < 0.66 * (y - (top - 0.085)))
    canvas.lay(roof, RED, 0.85)
    canvas.lay_box(middle - 0.0012, middle + 0.0012, top - 0.115, top - 0.085, DARK)


def _paint_boat(canvas: _Canvas) -> None:
    """Two sails, a mast and a hull."""
    deck, mast = BOAT
    y, x = canvas.fine_y - deck, canvas.fine_x - mast
    canvas.lay(
        (y < -0.006) & (x > 0) & (x < 0.52 * (y + 0.15)), WHITE, 1.05 - 2 * (canvas.x - mast)
    )
    canvas.lay((y < -0.006) & (x < -0.004) & (-x < 0.42 * (y + 0.125)), (214, 206, 200))
    hull = (y > 0) & (y < 0.022) & (abs(x - 0.01) < 0.085 - 1.2 * y)
    canvas.lay(hull, (70, 44, 36))
    canvas.lay_box(mast - 0.0015, mast + 0.0015, deck - 0.16, deck, DARK)


def _centres(count: int, unit: int) -> Array:
    return (np.arange(count) + 0.5) / unit


def _profile(rng: np.random.Generator, x: Array, size: float) -> Array:
    """A random line of standard deviation `size`, its amplitudes falling like 1/f^1.15."""
    k = np.arange(1, 400)
    weights = rng.normal(size=k.size) * k**-1.15
    line = weights @ np.cos(np.pi / 2 * k[:, None] * x + rng.uniform(0, 2 * np.pi, (k.size, 1)))
    return np.asarray(size / np.sqrt((weights**2).sum() / 2) * line)[None]


def _noise(rng: np.random.Generator, canvas: _Canvas, exponent: float, lowest: float) -> Array:
    """(H, W) Gaussian noise of unit variance, amplitudes like 1/f^exponent from `lowest` on."""
    height, width, _ = canvas.picture.shape
    frequency = np.hypot(
        np.fft.fftfreq(height, 1 / height)[:, None], np.fft.rfftfreq(width, 1 / height)
    )
    spectrum = np.fft.rfft2(rng.normal(size=(height, width)))
    noise = np.fft.irfft2(spectrum * frequency.clip(lowest) ** -exponent, s=(height, width))
    return np.asarray((noise - noise.mean()) / noise.std())
