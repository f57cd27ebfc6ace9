"""NeuralCompression under the names of `npuq check`. Its GDN is another, simplified function."""

import math

from stand_ins import stand_in

stand_in("fvcore", "fvcore.nn", "fvcore.nn.jit_handles", "lpips")

from neuralcompression.distributions import NoisyNormal  # noqa: E402
from neuralcompression.functional import (  # noqa: E402, F401
    soft_round,
    soft_round_conditional_mean,
    soft_round_inverse,
)


def normal_density(z, loc, scale):
    return NoisyNormal(loc, scale).prob(z)


def normal_log_density(z, loc, scale):
    return NoisyNormal(loc, scale).log_prob(z)


def normal_bits(z, loc, scale):
    return NoisyNormal(loc, scale).log_prob(z) / -math.log(2)
