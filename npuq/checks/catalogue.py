"""All laws and all named mistakes, in the order in which they are reported."""

from __future__ import annotations

from npuq.checks.laws import (
    averages,
    channel,
    codec,
    coder,
    densities,
    layers,
    limits,
    noise,
    nonparametric,
    quantization,
    relations,
    shared_dither,
    soft_rounding,
    symmetries,
    whole_densities,
)
from npuq.checks.mistakes import codecs as wrong_codecs
from npuq.checks.mistakes import coders as wrong_coders
from npuq.checks.mistakes import densities as wrong_densities
from npuq.checks.mistakes import layers as wrong_layers
from npuq.checks.mistakes import quantization as wrong_quantization
from npuq.checks.mistakes import shared as wrong_shared
from npuq.checks.mistakes import soft_rounding as wrong_soft_rounding

LAWS = (
    *soft_rounding.LAWS, *symmetries.LAWS, *quantization.LAWS, *channel.LAWS,
    *noise.LAWS, *shared_dither.LAWS, *densities.LAWS, *whole_densities.LAWS, *limits.LAWS,
    *relations.LAWS, *averages.LAWS, *nonparametric.LAWS, *layers.LAWS, *coder.LAWS, *codec.LAWS,
)  # fmt: skip

MISTAKES = (
    *wrong_soft_rounding.MISTAKES, *wrong_quantization.MISTAKES, *wrong_densities.MISTAKES,
    *wrong_shared.MISTAKES, *wrong_layers.MISTAKES, *wrong_coders.MISTAKES,
    *wrong_codecs.MISTAKES,
)  # fmt: skip
