"""The scales of Eq. 23 in integers, so that every machine finds the same ones.

A decoder must know which scale the encoder used for each coefficient. Were the scales floats, one
that lies near the edge between two tables would fall on one side here and on the other there, and
all that follows would decode to garbage. So a trained hyper-synthesis is made into a network of
integers once, when a model is saved, and both sides compute with that:

    X_0 = 512 w                                 k + u is a multiple of 1/512 (8-bit dither)
    S_l = W_l * X_l + B_l                       a convolution of integers
    X_{l+1} = leaky((S_l + half) >> shift_l)    a fixed-point number with FRACTION bits again
    index = how many thresholds the last X reaches

Integers are held in float64, so that fast matrix products serve. What `npuq.nn.conv` adds up in
float64 are the products of weights and inputs and nothing else, which is exact, in whatever order a
library adds, as long as no sum leaves [-2^53, 2^53]: of any part of the terms of S_l, the absolute
value is at most

    sum |W_l| max |X_l| + |B_l|,   max |X_0| = 512 LARGEST,   max |X_l| = LARGEST 2^FRACTION,

where the maxima hold because values are clipped to them. `integer_layers` computes this bound
for every output of every layer and refuses a network that reaches 2^53.

Shapes:
    w         (B, N, h, w): hyper-latents, in 1/512
    indexes   (B, M, 4h, 4w): of the tables of scales
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.errors import ModelError
from npuq.models.layers import Conv
from npuq.nn.conv import conv2d, conv_transpose2d

INPUT_FRACTION = 9  # bits: u = (2n + 1)/512 - 1/2
FRACTION = 16  # bits after the point of what the layers pass on
WEIGHT_FRACTION = 16  # bits after the point of the weights
LARGEST = 1 << 10  # of hyper-latents and of what the layers pass on; beyond, values are clipped
SLOPE_BITS = 20
SLOPE = round(0.01 * (1 << SLOPE_BITS))  # of the leaky ReLU
LEVELS = 64
SMALLEST, GREATEST = 0.11, 256.0
EXACT = 2.0**53


class IntegerLayer(NamedTuple):
    """Integers as float64: kernels, biases, and by how many bits sums are shifted down."""

    w: Array
    b: Array
    shift: int


class IntegerScales(NamedTuple):
    """Three layers, the thresholds between the levels of scales, (LEVELS - 1,) float64, and the
    slope of the leaky ReLUs in 2^-SLOPE_BITS; 0 for the ReLUs of the scale hyperprior."""

    layers: tuple[IntegerLayer, IntegerLayer, IntegerLayer]
    thresholds: Array
    slope: int = SLOPE


def scale_levels(count: int = LEVELS) -> Array:
    """The scales of the tables, (count,) float64, from SMALLEST to GREATEST in equal ratios."""
    return np.geomspace(SMALLEST, GREATEST, count)


def level_thresholds(count: int = LEVELS) -> Array:
    """The thresholds halfway, in ratio, between neighbouring levels, (count - 1,) float64.

    Integers with FRACTION bits after the point. Roots and powers may end in another last bit
    elsewhere, so they are computed once, when a model is made, and kept in its file.
    """
    levels = scale_levels(count)
    return np.rint(np.sqrt(levels[1:] * levels[:-1]) * 2.0**FRACTION)


def integer_layers(
    hyper_synthesis: tuple[Conv, ...], latents: int
) -> tuple[IntegerLayer, IntegerLayer, IntegerLayer]:
    """The layers of the integer network of a trained hyper-synthesis (Eq. 23).

    They take products with powers of two and rounding to integers only, which are exact: layers
    made of the same float32 parameters are the same everywhere.

    Args:
        hyper_synthesis: two transposed convolutions and a convolution, whose first `latents`
            outputs are scales.
        latents: M.

    Raises:
        ModelError: weights are not finite, or so large that a sum could pass 2^53.
    """
    last = hyper_synthesis[-1]
    convs = (*hyper_synthesis[:-1], Conv(last.w[:latents], last.b[:latents]))
    layers = []
    for i, conv in enumerate(convs):
        fraction = INPUT_FRACTION if i == 0 else FRACTION
        layer = IntegerLayer(
            np.rint(conv.w.astype(np.float64) * 2.0**WEIGHT_FRACTION),
            np.rint(conv.b.astype(np.float64) * 2.0 ** (WEIGHT_FRACTION + fraction)),
            WEIGHT_FRACTION + fraction - FRACTION,
        )
        out_axis = 1 if i < 2 else 0  # of the kernels; a transposed convolution has it second
        sums = np.abs(layer.w).sum(axis=tuple(a for a in range(4) if a != out_axis))
        bound = float(np.max(sums * (LARGEST << fraction) + np.abs(layer.b)))
        if not bound + (1 << layer.shift) < EXACT:
            raise ModelError(
                f"layer {i} of the hyper-synthesis has weights too large for exact sums: "
                f"{bound:.3g} is not below 2^53"
            )
        layers.append(layer)
    return layers[0], layers[1], layers[2]


def scale_indexes(w: Array, scales: IntegerScales) -> Array:
    """The table of each coefficient, from the hyper-latents (Eq. 23).

    Args:
        w: (B, N, h, w) integers, hyper-latents in units of 1/512.
        scales: the integer network.

    Returns:
        (B, M, 4h, 4w) uint8.
    """
    return indexes_of(fixed_point_scales(w, scales), scales)


def fixed_point_scales(w: Array, scales: IntegerScales) -> Array:
    """The scales as integers of FRACTION bits after the point, float64 (Eq. 23).

    Arguments as for `scale_indexes`.
    """
    xp = xp_of(w)
    x = xp.clip(w, -512 * LARGEST, 512 * LARGEST).astype(np.float64)
    x = xp.ascontiguousarray(x.transpose(0, 2, 3, 1))  # channels last
    for i, layer in enumerate(scales.layers):
        w_i, b_i = xp.asarray(layer.w), xp.asarray(layer.b)
        if i < 2:
            sums = conv_transpose2d(x, w_i, b_i, stride=2, padding=2, output_padding=1)
        else:
            sums = conv2d(x, w_i, b_i, stride=1, padding=1)
        # dividing by a power of two is exact, and so is floor
        x = xp.floor((sums + 2.0 ** (layer.shift - 1)) / 2.0**layer.shift)
        x = xp.clip(x, -float(LARGEST << FRACTION), float(LARGEST << FRACTION))
        if i < 2:
            x = xp.where(x < 0, xp.floor(x * scales.slope / 2.0**SLOPE_BITS), x)
    return x.transpose(0, 3, 1, 2)


def indexes_of(fixed_point: Array, scales: IntegerScales) -> Array:
    """How many thresholds each scale reaches: uint8, the level nearest to it in ratio."""
    xp = xp_of(fixed_point)
    thresholds = xp.asarray(scales.thresholds)
    return xp.searchsorted(thresholds, fixed_point, side="right").astype(np.uint8)
