"""npuq itself under the names of the list: what `npuq check npuq` judges.

Adapters only. Seeds become generators, and the layers come with their fast twins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import npuq
from npuq.backend import Array
from npuq.checks import our_codec, our_coder
from npuq.checks.names import DISTRIBUTIONS, KINDS
from npuq.coding.dither import dither_integers, dither_values
from npuq.nn import conv, gdn, logistic, nonparametric, normal
from npuq.nn.adam import adam_update
from npuq.nn.location_scale import Params
from npuq.paper.density import rate_bits_backward


def _noise(shape: tuple[int, ...], seed: int) -> Array:
    return npuq.uniform_noise(np.random.default_rng(seed), shape)


def _dither(shape: tuple[int, int, int], seed: int) -> Array:
    return dither_values(dither_integers(shape, seed=seed))


def _batch_dither(shape: tuple[int, int, int], seeds: Array, tensor: int) -> Array:
    return np.stack(
        [dither_values(dither_integers(shape, seed=int(seed), tensor=tensor)) for seed in seeds]
    )


def _round_about(y: Array, loc: Array) -> Array:
    return npuq.round_half_up(y - loc) + loc


def _nonparametric(arrays: tuple[Array, ...]) -> nonparametric.NonparametricParams:
    return nonparametric.NonparametricParams(arrays[::3], arrays[2::3], arrays[1::3])


def _nonparametric_bits(z: Array, *arrays: Array) -> Array:
    return npuq.rate_bits(z, _nonparametric(arrays), cdf=nonparametric)


def _nonparametric_bits_backward(d: Array, z: Array, *arrays: Array) -> tuple[Array, ...]:
    d_z, (d_h, d_a, d_b) = rate_bits_backward(d, z, _nonparametric(arrays), cdf=nonparametric)
    by_layer = [part for layer in zip(d_h, d_b, [*d_a, None], strict=True) for part in layer]
    return d_z, *by_layer[:-1]


def _density_functions(law: str, cdf: Any) -> dict[str, Any]:
    def bits(z: Array, loc: Array, scale: Array, alpha: float = 0.0) -> Array:
        return npuq.rate_bits(z, Params(loc, scale), cdf=cdf, alpha=alpha)

    def backward(
        d: Array, z: Array, loc: Array, scale: Array, alpha: float = 0.0
    ) -> tuple[Array, Array, Array]:
        d_z, d_params = rate_bits_backward(d, z, Params(loc, scale), cdf=cdf, alpha=alpha)
        return d_z, d_params.loc, d_params.scale

    def expected(d: Array, y: Array, loc: Array, scale: Array, alpha: float) -> Array:
        return npuq.rate_bits_backward_expected(d, y, Params(loc, scale), cdf=cdf, alpha=alpha)

    def density(z: Array, loc: Array, scale: Array, alpha: float = 0.0) -> Array:
        return npuq.density(z, Params(loc, scale), cdf=cdf, alpha=alpha)

    def log_density(z: Array, loc: Array, scale: Array, alpha: float = 0.0) -> Array:
        return bits(z, loc, scale, alpha) * -float(np.log(2))

    by_kind = dict(zip(KINDS, (bits, log_density, density), strict=True))
    functions: dict[str, Any] = {f"{law}_soft_rounded_bits_backward_expected": expected}
    for stem in (law, f"{law}_soft_rounded"):
        functions |= {f"{stem}_{kind}": function for kind, function in by_kind.items()}
        functions[f"{stem}_bits_backward"] = backward
    return functions


def _conv2d(x: Array, w: Array, stride: int, padding: int) -> Array:
    return conv.conv2d(x, w, stride=stride, padding=padding)


def _conv2d_backward(d: Array, x: Array, w: Array, stride: int, padding: int) -> Any:
    static: Any = {"stride": stride, "padding": padding}
    return (
        conv.conv2d_input_gradient(d, w, size=x.shape[1:3], **static),
        conv.conv2d_kernel_gradient(d, x, kernel=w.shape[2:], **static),
    )


def _conv_transpose2d(x: Array, w: Array, stride: int, padding: int) -> Array:
    return conv.conv_transpose2d(x, w, stride=stride, padding=padding)


def _conv_transpose2d_backward(d: Array, x: Array, w: Array, stride: int, padding: int) -> Any:
    """Those of its adjoint, in which d and x change places."""
    static: Any = {"stride": stride, "padding": padding}
    return (
        conv.conv2d(d, w, **static),
        conv.conv2d_kernel_gradient(x, d, kernel=w.shape[2:], **static),
    )


def _adam_step(
    p: Array, g: Array, m: Array, v: Array, step: int, learning_rate: float,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    return adam_update(
        p, g, m, v, beta1=beta1, beta2=beta2, rate=learning_rate,
        correction1=1 - beta1**step, correction2=1 - beta2**step, epsilon=epsilon,
    )  # fmt: skip


_SAME = (
    "soft_round", "soft_round_inverse", "soft_round_conditional_mean", "soft_round_backward",
    "soft_round_inverse_backward", "soft_round_conditional_mean_backward",
    "soft_round_conditional_mean_backward_expected", "round_half_up", "universal_quantize",
    "universal_dequantize",
)  # fmt: skip

FUNCTIONS: dict[str, Any] = {
    **{name: getattr(npuq, name) for name in _SAME},
    "round_straight_through": npuq.round_half_up,
    "round_straight_through_backward": npuq.round_half_up_backward_straight_through,
    "uniform_noise": _noise,
    "dither": _dither,
    "batch_dither": _batch_dither,
    "round_about": _round_about,
    "nonparametric_bits": _nonparametric_bits,
    "nonparametric_bits_backward": _nonparametric_bits_backward,
    **{
        name: function
        for law, cdf in zip(DISTRIBUTIONS, (logistic, normal), strict=True)
        for name, function in _density_functions(law, cdf).items()
    },
    "gdn": gdn.gdn,
    "gdn_backward": gdn.gdn_backward,
    "inverse_gdn": gdn.inverse_gdn,
    "inverse_gdn_backward": gdn.inverse_gdn_backward,
    "conv2d": _conv2d,
    "conv2d_backward": _conv2d_backward,
    "conv_transpose2d": _conv_transpose2d,
    "conv_transpose2d_backward": _conv_transpose2d_backward,
    "adam_step": _adam_step,
    "entropy_encode": our_coder.entropy_encode,
    "entropy_decode": our_coder.entropy_decode,
    "escape_encode": our_coder.escape_encode,
    "escape_decode": our_coder.escape_decode,
    **our_codec.LINEAR,
}
