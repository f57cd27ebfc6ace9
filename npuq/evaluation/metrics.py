"""Distortion of pictures (Sec. 5.3).

x, y: pictures of one shape (H, W, 3), values 0 to 255, of any real type; computed in float64.
Masked arrays are refused: there are no metrics of a part of a picture.
"""

from __future__ import annotations

import math
import reprlib

import numpy as np

from npuq.backend import Array, check_unmasked

PEAK = 255.0
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM, finest scale first (Wang, Simoncelli & Bovik 2003, Sec. 3.2)."""

WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5
SMALLEST_SIDE = (WINDOW_SIZE - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Pictures with a smaller side below this, 161, have no window at the coarsest scale."""

C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def mse(x: Array, y: Array) -> float:
    """Mean squared error over all pixels and channels, the distortion of Eq. 1 (Sec. 5.2).

    Raises:
        ValueError: different shapes, or no pixels.
        TypeError: not arrays of real numbers.
    """
    _check_shapes(x, y)
    difference = np.subtract(x, y, dtype=np.float64).ravel()
    return float(difference @ difference) / difference.size


def psnr(x: Array, y: Array) -> float:
    """Peak signal-to-noise ratio in decibels, 10 log10(255^2 / MSE) (Sec. 5.3).

    Returns:
        Infinity for identical pictures.

    Raises:
        ValueError: different shapes, or no pixels.
        TypeError: not arrays of real numbers.

    Example:
        >>> x = np.full((16, 16, 3), 100, np.uint8)
        >>> round(psnr(x, x + 5), 2)
        34.15
    """
    error = mse(x, y)
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def ssim(x: Array, y: Array) -> float:
    """Structural similarity at one scale (Wang, Bovik, Sheikh & Simoncelli 2004).

    The 11 x 11 Gaussian window (sigma 1.5) is placed only where it fits; moments are those of the
    window's weights, without Bessel's correction. Mean over positions and over the channels.

    Returns:
        At most 1; not a number if a side is below 11 pixels.

    Raises:
        ValueError: different shapes, or not (H, W, 3).
        TypeError: not arrays of real numbers.
    """
    x, y = _channels_first(x, y)
    if min(x.shape[1:]) < WINDOW_SIZE:
        return math.nan
    return float(_similarity_and_contrast(x, y)[0].mean())


def ms_ssim(x: Array, y: Array) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli & Bovik 2003, Eq. 7) of RGB pictures.

    Five scales; each is the mean of 2 x 2 pixels of the one before, the last row or column of an
    odd size being repeated. In each channel, the contrast terms of the four fine scales and the
    whole similarity of the coarsest are raised to `SCALE_WEIGHTS` and multiplied; then the mean
    over the channels is taken. Negative terms count as 0 (they have no real power).

    These are the conventions of TensorFlow's `tf.image.ssim_multiscale`; PyTorch's packages pad
    odd sizes with zeros instead, and agree where all sizes down to the coarsest are even.

    Returns:
        Between 0 and 1; not a number if a side is below `SMALLEST_SIDE` (in JSON: null).

    Raises:
        ValueError: different shapes, or not (H, W, 3).
        TypeError: not arrays of real numbers.

    Example:
        >>> x = np.random.default_rng(0).integers(0, 256, (192, 192, 3))
        >>> round(ms_ssim(x, 0.9 * x), 4)
        0.9948
    """
    x, y = _channels_first(x, y)
    if min(x.shape[1:]) < SMALLEST_SIDE:
        return math.nan
    product = np.ones(len(x))
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale > 0:
            x, y = _halve(x), _halve(y)
        similarity, contrast = _similarity_and_contrast(x, y)
        term = similarity if scale == len(SCALE_WEIGHTS) - 1 else contrast
        product *= np.maximum(term, 0.0) ** weight
    return float(product.mean())


def _check_shapes(x: Array, y: Array) -> None:
    for name, picture in (("x", x), ("y", y)):
        check_unmasked(picture, name)
        kind = getattr(picture, "dtype", np.dtype(object)).kind
        if kind not in "biuf":
            raise TypeError(f"{name} must be an array of real numbers, not {reprlib.repr(picture)}")
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one shape, not {x.shape} and {y.shape}")
    if x.size == 0:
        raise ValueError(f"x and y have no pixels: their shape is {x.shape}")


def _channels_first(x: Array, y: Array) -> tuple[Array, Array]:
    _check_shapes(x, y)
    if x.ndim != 3 or x.shape[2] != 3:
        raise ValueError(f"x and y must have shape (height, width, 3), not {x.shape}")
    channels_x, channels_y = (np.moveaxis(image, 2, 0).astype(np.float64) for image in (x, y))
    return channels_x, channels_y


def _similarity_and_contrast(x: Array, y: Array) -> tuple[Array, Array]:
    """SSIM and its contrast-structure factor for each channel of (3, H, W), mean over positions.

    Only sums of the two variances occur, so that four filtered pictures suffice instead of five.
    """
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = _window_mean(x**2 + y**2) - squares
    covariance = _window_mean(x * y) - product
    contrast = (2 * covariance + C2) / (variances + C2)
    similarity = (2 * product + C1) / (squares + C1) * contrast
    return similarity.mean(axis=(1, 2)), contrast.mean(axis=(1, 2))


def _window_mean(x: Array) -> Array:
    """The Gaussian-weighted mean of each window that lies inside the picture."""
    from scipy.ndimage import correlate1d

    distances = np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    weights = np.exp(-0.5 * (distances / WINDOW_SIGMA) ** 2)
    weights /= weights.sum()
    inside = slice(WINDOW_SIZE // 2, -(WINDOW_SIZE // 2))
    rows = correlate1d(x, weights, axis=1)[:, inside]
    return np.asarray(correlate1d(rows, weights, axis=2)[:, :, inside])


def _halve(x: Array) -> Array:
    """The mean of 2 x 2 pixels; the last row or column of an odd size is repeated."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), mode="edge")
    rows = x[:, ::2] + x[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
