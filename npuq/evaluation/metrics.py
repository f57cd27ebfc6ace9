"""Distortion of pictures and comparison of rate-distortion curves (Sec. 5.3).

x, y: pictures of one shape (H, W, 3), values 0 to 255, of any real type; computed in float64.
Masked arrays are refused: there are no metrics of a part of a picture.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from npuq.backend import Array, check_unmasked

PEAK = 255.0
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM, finest scale first (Wang, Simoncelli & Bovik 2003, Sec. 3.2)."""

WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5
SMALLEST_SIDE = (WINDOW_SIZE - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Pictures with a smaller side below this, 161, have no window at the coarsest scale."""

OVERLAP_MIN = 0.5
"""Of the PSNRs that two curves cover, the part in common below which `bd_rate` warns."""

C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def mse(x: Array, y: Array) -> float:
    """Mean squared error over all pixels and channels, the distortion of Eq. 1 (Sec. 5.2).

    Raises:
        ValueError: different shapes, or no pixels.
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


def bd_rate(
    rates_a: Sequence[float],
    psnrs_a: Sequence[float],
    rates_b: Sequence[float],
    psnrs_b: Sequence[float],
) -> float:
    """Average difference in rate of curve b from curve a at equal quality, in percent.

    Bjøntegaard's delta rate (VCEG-M33, 2001): the mean of log(rate_b) - log(rate_a) over the
    common range of PSNR. Between its points, the logarithm of the rate is a monotone piecewise
    cubic of the PSNR (PCHIP) rather than one polynomial through all points, which can swing
    between them; with two points this is a straight line. The integral is exact.

    The figure says nothing of what lies outside the common range. Where that is less than half of
    the range of PSNR that the two curves cover together, the mean is over few decibels, at the
    ends of the curves, and can be anything; where a curve has a point of more bits and no more
    quality than another, there is no one rate for a quality, and the order of its points by PSNR
    is not that of its settings. Both are said by a warning: widen the measured ranges, or leave
    such points out. One half is the usual limit (Herglotz et al., "The Bjøntegaard Bible", 2024,
    and their implementation).

    Args:
        rates_a, psnrs_a: the reference curve; two points or more, in any order.
        rates_b, psnrs_b: the other curve.

    Returns:
        Percent; negative if b needs fewer bits.

    Warns:
        UserWarning: a common range of less than half, or a curve that is not monotone.

    Raises:
        ValueError: fewer than two points, rates that are not positive, equal PSNRs within a
            curve, or curves without a common range of PSNR.

    Example:
        >>> round(bd_rate([0.2, 0.4, 0.8], [30, 33, 36], [0.18, 0.36, 0.72], [30, 33, 36]), 1)
        -10.0
    """
    from scipy.interpolate import PchipInterpolator  # takes longer to import than all the rest

    quality_a, log_rate_a = _curve(psnrs_a, np.log(_positive(rates_a)))
    quality_b, log_rate_b = _curve(psnrs_b, np.log(_positive(rates_b)))
    low, high = max(quality_a[0], quality_b[0]), min(quality_a[-1], quality_b[-1])
    if low >= high:
        raise ValueError(
            f"the curves have no common range of PSNR: {quality_a[0]:.2f} to {quality_a[-1]:.2f} "
            f"and {quality_b[0]:.2f} to {quality_b[-1]:.2f} dB"
        )
    covered = max(quality_a[-1], quality_b[-1]) - min(quality_a[0], quality_b[0])
    if high - low < OVERLAP_MIN * covered:
        warnings.warn(
            f"the curves have {high - low:.2f} dB in common, of {covered:.2f} dB that they cover: "
            "the difference in rate is that of a small part of them",
            stacklevel=2,
        )
    for name, log_rate in (("first", log_rate_a), ("second", log_rate_b)):
        if (np.diff(log_rate) <= 0).any():
            warnings.warn(
                f"the {name} curve is not monotone: a point of more bits has no more quality",
                stacklevel=2,
            )
    area_a = PchipInterpolator(quality_a, log_rate_a).integrate(low, high)
    area_b = PchipInterpolator(quality_b, log_rate_b).integrate(low, high)
    return 100 * math.expm1(float(area_b - area_a) / float(high - low))


def interpolate_rd(bpp: Sequence[float], psnr: Sequence[float], at_bpp: float) -> float:
    """The PSNR of a rate-distortion curve at a given rate (PCHIP over the logarithm of the rate).

    Args:
        bpp: rates of the measured points, in bits per pixel; two or more, in any order.
        psnr: their quality, in decibels.
        at_bpp: the rate in question.

    Returns:
        Decibels; not a number outside the measured range: curves are not extrapolated.

    Raises:
        ValueError: fewer than two points, rates that are not positive, or two equal rates.
    """
    from scipy.interpolate import PchipInterpolator

    log_rate, quality = _curve(np.log(_positive(bpp)), psnr)
    if not min(bpp) <= at_bpp <= max(bpp):
        return math.nan
    return float(PchipInterpolator(log_rate, quality)(np.log(at_bpp)))


def _check_shapes(x: Array, y: Array) -> None:
    check_unmasked(x, "x")
    check_unmasked(y, "y")
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

    offsets = np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    weights = np.exp(-0.5 * (offsets / WINDOW_SIGMA) ** 2)
    weights /= weights.sum()
    inside = slice(WINDOW_SIZE // 2, -(WINDOW_SIZE // 2))
    rows = correlate1d(x, weights, axis=1)[:, inside]
    return np.asarray(correlate1d(rows, weights, axis=2)[:, :, inside])


def _halve(x: Array) -> Array:
    """The mean of 2 x 2 pixels; the last row or column of an odd size is repeated."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), mode="edge")
    rows = x[:, ::2] + x[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _positive(rates: Sequence[float]) -> Array:
    check_unmasked(rates, "rates")
    values = np.asarray(rates, np.float64)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"rates must be positive and finite, not {list(rates)}")
    return values


def _curve(x: Sequence[float] | Array, y: Sequence[float] | Array) -> tuple[Array, Array]:
    """A curve's points in the order of x, checked for what an interpolant needs."""
    check_unmasked(x, "PSNRs")
    check_unmasked(y, "PSNRs")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"a curve needs two points or more: shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a curve's points must be finite (identical pictures have infinite PSNR)")
    order = np.argsort(x)
    x, y = x[order], y[order]
    if (np.diff(x) <= 0).any():
        raise ValueError("two points of a curve coincide; leave one of them out")
    return x, y
