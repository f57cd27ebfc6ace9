"""The list of functions that can be judged: their names, their arguments, what they are.

A target has some of these names, with these positional arguments. Arrays are float32 or float64,
NumPy's or those of the target's framework, and results have the dtype and the shape of the first
array unless it says otherwise; `alpha`, `seed`, `stride` and the like are Python's numbers.

A gradient is `NAME_backward(d, ...)`: the upstream gradient, then the arguments of NAME; the result
is the gradient with respect to each array among these, a tuple if there are several. In a framework
that differentiates by itself it need not be there. A surrogate gradient is
`NAME_backward_expected(d, ...)`, or in a framework a function `NAME_expected` with that gradient.
"""

from __future__ import annotations

DISTRIBUTIONS = ("logistic", "normal")
KINDS = {"bits": "-log2", "log_density": "log", "density": ""}

NAMES = {
    "soft_round": ("y, alpha", "s_alpha(y), Eq. 10"),
    "soft_round_inverse": ("z, alpha", "s_alpha^-1(z)"),
    "soft_round_conditional_mean": ("z, alpha", "r_alpha(z), Eq. 14"),
    "round_half_up": ("y", "the nearest integer as in Eq. 8, ties upwards"),
    "round_straight_through": ("y", "the same, with the gradient of the identity"),
    "universal_quantize": ("y, u", "k = round(y - u), Eq. 5, of any dtype"),
    "universal_dequantize": ("k, u", "k + u, Eq. 5"),
    "round_about": ("y, loc", "round(y - loc) + loc, about a median or a mean (Eq. 24)"),
    "uniform_noise": ("shape, seed", "noise of training in [-1/2, 1/2), Eq. 4, of any dtype"),
    "dither": ("shape, seed", "what sender and receiver share; shape is (channels, rows, columns)"),
    "batch_dither": (
        "shape, seeds, tensor",
        "that of several images, (images, *shape); a seed for each, and the number of the tensor",
    ),
    **{
        f"{law}{soft}_{kind}": (
            f"z, loc, scale{', alpha' * bool(soft)}",
            f"{log} p of {'s(Y) + U, Eq. 22' if soft else 'Y + U, Eq. 43'}, at each z".strip(),
        )
        for law in DISTRIBUTIONS
        for soft in ("", "_soft_rounded")
        for kind, log in KINDS.items()
    },
    "nonparametric_bits": (
        "z, matrix1, bias1, factor1, matrix2, bias2, factor2, matrix3, bias3, factor3, "
        "matrix4, bias4",
        "-log2 p of Y + U with the density of Ballé et al. 2018, of channels (C, n)",
    ),
    "gdn": ("x, beta, gamma", "x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), channels last"),
    "inverse_gdn": ("x, beta, gamma", "x_i sqrt(beta_i + sum_j gamma_ij x_j^2), channels last"),
    "conv2d": ("x, w, stride, padding", "x (N, H, W, C), w (C_out, C, kh, kw): cross-correlation"),
    "conv_transpose2d": ("x, w, stride, padding", "its adjoint; w is (C, C_out, kh, kw)"),
    "entropy_encode": (
        "symbols, probabilities",
        "n symbols from 0 to m - 1, by rows (n, m) of their probabilities, as bytes",
    ),
    "entropy_decode": ("data, probabilities", "the symbols in these bytes"),
    "escape_encode": (
        "symbols, probabilities",
        "the same for any integers; a row has one more: the probability of all not 0 to m - 1",
    ),
    "escape_decode": ("data, probabilities", "the integers in these bytes"),
    "codec_compress": ("image", "a file, as bytes, of an image (H, W, 3) of uint8, RGB"),
    "codec_decompress": ("data", "the image in a file"),
    "codec_estimated_bits": ("image", "how many bits the model estimates for its file, a number"),
    "codec_symbols": (
        "images, tile, threads",
        "the integers of each of (N, H, W, 3), N first; computed in tiles of so many pixels a side "
        "(0: in one piece) and by so many threads",
    ),
    "adam_step": (
        "p, g, m, v, step, learning_rate, beta1, beta2, epsilon",
        "the new p, m and v; step is 1 at the first",
    ),
}
"""Name: arguments and meaning. Scales are the standard deviation of the normal distribution and the
`scale` of the logistic one; `loc` and `scale` have the shape of z."""

UNDIFFERENTIABLE = (
    "round_half_up", "universal_quantize", "round_about", "uniform_noise", "dither", "batch_dither",
    "adam_step", "entropy_encode", "entropy_decode", "escape_encode", "escape_decode",
    "codec_compress", "codec_decompress", "codec_estimated_bits", "codec_symbols",
)  # fmt: skip
DIFFERENTIABLE = [name for name in NAMES if name not in UNDIFFERENTIABLE]
EXPECTED = ["soft_round_conditional_mean", *(f"{law}_soft_rounded_bits" for law in DISTRIBUTIONS)]
"""What Sec. 4.2 has an expected gradient of; of bits it is that of y = s(f(x)) before the noise."""

ALL_NAMES = [
    *NAMES,
    *(f"{name}_backward" for name in DIFFERENTIABLE),
    *(f"{name}_backward_expected" for name in EXPECTED),
]
"""With the gradients."""
