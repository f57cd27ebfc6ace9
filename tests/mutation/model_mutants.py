"""Faults in layers, densities and models."""

from __future__ import annotations

from mutant import Mutant

HYPERPRIOR = "npuq/models/hyperprior.py"
LINEAR = "npuq/models/linear.py"
LAYERS = "npuq/models/layers.py"
NETWORK = "npuq/kernels/cpu/cdf_network.py"
DENSITY = "npuq/nn/nonparametric.py"

# The laws, by what they say
STAGES = ("tests/gradcheck/test_hyperprior.py::test_every_stage_is_its_equation",)
SLOPES = ("tests/gradcheck/test_hyperprior.py::test_gradients_of_rate_and_distortion",)
LINEAR_STAGES = ("tests/gradcheck/test_linear_model.py::test_every_stage_is_its_equation",)
LINEAR_SLOPES = ("tests/gradcheck/test_linear_model.py::test_gradients_of_rate_and_distortion",)
OPERATIONS = ("tests/gradcheck/test_gradcheck.py::test_backward_is_the_derivative_of_forward",)
WEIGHTS = ("tests/unit/test_nn_cdf.py::test_nonparametric_is_its_equation_weight_by_weight",)
KERNEL = ("tests/unit/test_kernels.py::test_kernel_agrees_with_its_plain_twin_in_float64",)
CONVOLUTIONS = ("tests/unit/test_nn_conv.py",)
FAST_CONVOLUTIONS = (
    "tests/unit/test_kernels_conv.py"
    "::test_the_definition_winograds_matrices_and_the_compiled_method",
)
TWINS = ("tests/unit/test_twins_pairs.py::test_twins_compute_the_same",)
GAMMA = ("tests/unit/test_nn_gdn.py::test_gamma_is_no_symmetric_matrix",)
HUNDREDTH = ("tests/unit/test_layers.py::test_the_usual_slope_is_a_hundredth",)
STACK = ("tests/unit/test_layers.py::test_a_stack_of_leaky_relus_there_and_back",)
ARCHITECTURES = (
    "tests/unit/test_layers.py::test_hyper_transforms_have_the_slopes_of_their_architecture",
)
INTEGERS = ("tests/unit/test_layers.py::test_integer_scales_have_the_same_slope",)
ROWS = ("tests/crosscheck/test_frozen.py::test_rows_are_what_pytorch_computed",)
COMPILED_ROWS = ("tests/crosscheck/test_frozen.py::test_compiled_rows_are_what_pytorch_computed",)
PAIRED = "npuq/models/noisy_rate.py"
RESIDUALS = "npuq/models/conditional_rate.py"
EQUATION_23 = ("tests/crosscheck/test_frozen.py::test_equation_23_is_what_compressai_computed",)
FROZEN_DENSITY = (
    "tests/crosscheck/test_frozen.py"
    "::test_the_density_with_unequal_weights_is_what_pytorch_computed",
)
FROZEN_LOSS = (
    "tests/crosscheck/test_frozen.py::test_the_hyperprior_loss_is_what_compressai_computed",
)
IMPORTED = (
    "tests/crosscheck/test_frozen.py::test_imported_models_compute_what_compressai_computed",
)


def each_law(name: str, file: str, old: str, new: str, *laws: tuple[str, ...]) -> list[Mutant]:
    """One mutant for each law: every one has to see the fault by itself."""
    return [Mutant(f"{name} [{law[0].split('::')[1]}]", file, old, new, law) for law in laws]


HYPERPRIOR_MUTANTS = [
    *each_law(
        "hyperprior: the hyper-latents' rate has no gradient",
        HYPERPRIOR,
        "d_v = _from_rows(d_rows, d_w.shape)",
        "d_v = d_w",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the gradient of the hyper-latents' rate has the wrong sign",
        HYPERPRIOR,
        "_rows(d_w), d_hyper_bits, hyper.kept",
        "_rows(d_w), -d_hyper_bits, hyper.kept",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: u_1 is forgotten before the hyper-synthesis",
        HYPERPRIOR,
        "hyper_synthesise(w, params)\n    coded",
        "hyper_synthesise(v, params)\n    coded",
        STAGES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: axes of the hyper grid swapped on the way back",
        HYPERPRIOR,
        "return rows.T.reshape(shape)",
        "return rows.T.reshape(shape[0], shape[2], shape[1], shape[3]).swapaxes(1, 2)",
        SLOPES,
    ),
    *each_law(
        "hyperprior: axes of the hyper grid swapped for the noise",
        HYPERPRIOR,
        "_rows(v), _rows(u_1)",
        "_rows(v), _rows(u_1.swapaxes(1, 2))",
        STAGES,
    ),
    *each_law(
        "hyperprior: batch and channels swapped",
        HYPERPRIOR,
        "return v.reshape(-1, v.shape[-1]).T",
        "return v.reshape(v.shape[-1], -1)",
        STAGES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: sigma and mu swapped",
        HYPERPRIOR,
        "sigma, mu = xp_of(w).split(both, 2, axis=-1)",
        "mu, sigma = xp_of(w).split(both, 2, axis=-1)",
        STAGES,
        FROZEN_LOSS,
        IMPORTED,
    ),
    *each_law(
        "hyperprior: gradients of sigma and mu swapped",
        HYPERPRIOR,
        "(d_sigma, d_mu), axis=-1",
        "(d_mu, d_sigma), axis=-1",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: means read from the half of the scales",
        HYPERPRIOR,
        "Conv(last.w[means:], last.b[means:])",
        "Conv(last.w[:means], last.b[:means])",
        STAGES,
    ),
    *each_law(
        "hyperprior: the decoder's mean has no gradient",
        HYPERPRIOR,
        "d_mu = d_decoded - d_t",
        "d_mu = -d_t",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the rate's gradient for mu has the wrong sign",
        HYPERPRIOR,
        "d_mu = d_decoded - d_t",
        "d_mu = d_decoded + d_t",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the scales' gradient has the wrong sign",
        HYPERPRIOR,
        "xp.concatenate((d_sigma, d_mu)",
        "xp.concatenate((-d_sigma, d_mu)",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the density's gradient is of bits, not of bits per pixel",
        HYPERPRIOR,
        "full_like(hyper.bits, d_loss / _pixels(x))",
        "full_like(hyper.bits, d_loss)",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the rate of the coefficients does not reach the encoder",
        HYPERPRIOR,
        "xp.broadcast_to(d_bits, coded",
        "xp.broadcast_to(0 * d_bits, coded",
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: the mean is not added after the channel",
        HYPERPRIOR,
        "coded.r + mu, params.synthesis",
        "coded.r, params.synthesis",
        STAGES,
        FROZEN_LOSS,
    ),
    *each_law(
        "hyperprior: bits of hyper-latents are not counted",
        HYPERPRIOR,
        "bpp = hyper_bpp + coded",
        "bpp = coded",
        STAGES,
        FROZEN_LOSS,
    ),
    *each_law(
        "scale hyperprior: y instead of |y| enters",
        HYPERPRIOR,
        "stack_forward(xp_of(y).abs(y), params",
        "stack_forward(y, params",
        ARCHITECTURES,
        IMPORTED,
    ),
    *each_law(
        "scale hyperprior: no ReLU after the scales",
        HYPERPRIOR,
        "return leaky_relu(sigma, 0.0), xp_of(w)",
        "return sigma, xp_of(w)",
        ARCHITECTURES,
    ),
]

LINEAR_MUTANTS = [
    *each_law(
        "linear: the rate has no gradient",
        LINEAR,
        "full_like(coded.bits, d_loss /",
        "full_like(coded.bits, 0 * d_loss /",
        LINEAR_SLOPES,
    ),
    *each_law(
        "linear: the rate's gradient has the wrong sign",
        LINEAR,
        "full_like(coded.bits, d_loss /",
        "full_like(coded.bits, -d_loss /",
        LINEAR_SLOPES,
    ),
    *each_law(
        "linear: half the distortion's gradient",
        LINEAR,
        "d_error = (2 * (d_loss * lmbda) /",
        "d_error = ((d_loss * lmbda) /",
        LINEAR_SLOPES,
    ),
    *each_law(
        "linear: the derivative of r is forgotten",
        "npuq/models/noisy_rate.py",
        "reconstruction_backward(d_r, y, u, softness) + d_y",
        "d_r + d_y",
        LINEAR_SLOPES,
    ),
    *each_law(
        "linear: the analysis stands in the synthesis' place",
        LINEAR,
        "error = synthesise(coded.r, params.synthesis)",
        "error = synthesise(coded.r, params.analysis)",
        LINEAR_STAGES,
    ),
    *each_law(
        "linear: analysis transposed",
        LINEAR,
        "return product(analysis.reshape(CHANNELS, CHANNELS), blocks)",
        "return product(analysis.reshape(CHANNELS, CHANNELS).T, blocks)",
        LINEAR_STAGES,
    ),
]

DENSITY_MUTANTS = [
    *each_law(
        "density kernel: H transposed on the way there",
        NETWORK,
        "b[0] + H[0] * x[0] + H[1] * x[1] + H[2] * x[2],\n"
        "        b[1] + H[3] * x[0] + H[4] * x[1] + H[5] * x[2],\n"
        "        b[2] + H[6] * x[0] + H[7] * x[1] + H[8] * x[2],",
        "b[0] + H[0] * x[0] + H[3] * x[1] + H[6] * x[2],\n"
        "        b[1] + H[1] * x[0] + H[4] * x[1] + H[7] * x[2],\n"
        "        b[2] + H[2] * x[0] + H[5] * x[1] + H[8] * x[2],",
        KERNEL,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density kernel: H transposed on the way back",
        NETWORK,
        "H[0] * d[0] + H[3] * d[1] + H[6] * d[2],\n"
        "        H[1] * d[0] + H[4] * d[1] + H[7] * d[2],\n"
        "        H[2] * d[0] + H[5] * d[1] + H[8] * d[2],",
        "H[0] * d[0] + H[1] * d[1] + H[2] * d[2],\n"
        "        H[3] * d[0] + H[4] * d[1] + H[5] * d[2],\n"
        "        H[6] * d[0] + H[7] * d[1] + H[8] * d[2],",
        KERNEL,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density kernel: H1[1] read for H1[2] on the way there",
        NETWORK,
        "b1[2] + H1[2] * y",
        "b1[2] + H1[1] * y",
        KERNEL,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density kernel: H1[1] read for H1[2] on the way back",
        NETWORK,
        "+ H1[2] * d[2]",
        "+ H1[1] * d[2]",
        KERNEL,
    ),
    *each_law(
        "density kernel: H4[0] read for H4[2]",
        NETWORK,
        "H4[2] * x3[2]",
        "H4[0] * x3[2]",
        KERNEL,
    ),
    *each_law(
        "density kernel: the gradient of H transposed",
        NETWORK,
        "total[1] + d[0] * x[1], total[2] + d[0] * x[2],",
        "total[1] + d[1] * x[0], total[2] + d[2] * x[0],",
        KERNEL,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density kernel: a2 bends where a1 should",
        NETWORK,
        "x1 = _bend(h, a1, t1)",
        "x1 = _bend(h, a2, t1)",
        KERNEL,
    ),
    *each_law(
        "density kernel: weights of H2 and H3 swapped",
        NETWORK,
        "_nine(w, 9), _three(w, 18), _three(w, 21),\n        _nine(w, 24),",
        "_nine(w, 24), _three(w, 18), _three(w, 21),\n        _nine(w, 9),",
        KERNEL,
    ),
    *each_law(
        "density kernel: gradients summed at the wrong place",
        "npuq/kernels/cpu/noisy_rate.py",
        "enumerate(H1 + b1 + a1 + H2 + b2 + a2 + H3",
        "enumerate(H1 + a1 + b1 + H2 + b2 + a2 + H3",
        KERNEL,
    ),
    *each_law(
        "density kernel: H packed transposed",
        NETWORK,
        "[softplus(H).reshape(channels, -1), b.reshape",
        "[softplus(H).swapaxes(1, 2).reshape(channels, -1), b.reshape",
        KERNEL,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density twin: H transposed on the way there",
        DENSITY,
        "x = softplus(H) @ x + b",
        "x = softplus(H.swapaxes(1, 2) if H.shape[1] == H.shape[2] else H) @ x + b",
        WEIGHTS,
        OPERATIONS,
        ROWS,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density twin: H transposed on the way back",
        DENSITY,
        "d_x = softplus(params.H[k]).swapaxes(1, 2) @ d_x",
        "d_x = softplus(params.H[k] if 1 < k + 1 < len(params.H)"
        " else params.H[k].swapaxes(1, 2)) @ d_x",
        OPERATIONS,
        ROWS,
        FROZEN_DENSITY,
    ),
    *each_law(
        "density twin: the gradient of H transposed",
        DENSITY,
        "softplus_backward(d_x @ inputs[k].swapaxes(1, 2), params.H[k])",
        "softplus_backward((d_x @ inputs[k].swapaxes(1, 2)).reshape(-1, *params.H[k].shape[:0:-1])"
        ".swapaxes(1, 2), params.H[k])",
        OPERATIONS,
        ROWS,
    ),
    *each_law(
        "density twin: the last a read for all",
        DENSITY,
        "x = x + xp.tanh(params.a[k]) * tanhs[k]",
        "x = x + xp.tanh(params.a[-1]) * tanhs[k]",
        WEIGHTS,
    ),
    *each_law(
        "conditional kernel: the scale's gradient has the wrong sign",
        "npuq/kernels/cpu/conditional_rate.py",
        "d_sigma = -phi * (a - b * falls)",
        "d_sigma = phi * (a - b * falls)",
        EQUATION_23,
    ),
    *each_law(
        "conditional kernel: the scale's bound is no bound",
        "npuq/kernels/cpu/conditional_rate.py",
        "max(np.float64(sigma[i]), SMALLEST_SCALE)",
        "abs(np.float64(sigma[i])) + 0.01",
        EQUATION_23,
    ),
    *each_law(
        "conditional kernel: below the bound the gradient leads downwards",
        "npuq/kernels/cpu/conditional_rate.py",
        "sigma[i] >= SMALLEST_SCALE or d_scale < 0",
        "sigma[i] >= SMALLEST_SCALE or d_scale > 0",
        EQUATION_23,
    ),
    *each_law(
        "channel: expected gradients of the rate where sampled ones are asked for",
        PAIRED,
        "if softness.expected_rate else",
        "if not softness.expected_rate else",
        LINEAR_SLOPES,
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "channel: Eq. 20 where the sampled slope of r is asked for",
        PAIRED,
        "if softness.expected_distortion",
        "if not softness.expected_distortion",
        LINEAR_SLOPES,
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "channel: the gradient of r is dropped",
        PAIRED,
        "reconstruction_backward(d_r, y, u, softness) + d_y, d_density",
        "d_y, d_density",
        LINEAR_SLOPES,
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "channel: the gradient of the bits does not reach the density",
        PAIRED,
        "d_y, d_density = scaled(d_one, d_bits)",
        "d_y, d_density = scaled(d_one[0], d_bits), d_one[1]",
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "channel twin: a kept derivative is multiplied by twice",
        "npuq/kernels/cpu/noisy_rate.py",
        "np.multiply(d_r[c], kept.dr_dy[c], out=d_y[c])",
        "np.multiply(d_r[c], kept.dr_dy[c] ** 2, out=d_y[c])",
        TWINS,
    ),
    *each_law(
        "channel twin: all channels have the first one's gradient of bits",
        "npuq/kernels/cpu/noisy_rate.py",
        "d_each[c] * kept.d_y[c]",
        "d_each[0] * kept.d_y[c]",
        TWINS,
    ),
    *each_law(
        "residuals: the gradient of r is dropped",
        RESIDUALS,
        "reconstruction_backward(d_r, t, u, softness) + d_bits * d_t",
        "d_bits * d_t",
        SLOPES,
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "residuals: expected gradients of the rate where sampled ones are asked for",
        RESIDUALS,
        "if softness.expected_rate",
        "if not softness.expected_rate",
        SLOPES,
        OPERATIONS,
        TWINS,
    ),
    *each_law(
        "residuals, twin: the scales' gradient without that of the bits",
        "npuq/kernels/cpu/conditional_rate.py",
        "d_bits * kept.d_sigma",
        "kept.d_sigma",
        TWINS,
    ),
    *each_law(
        "older quantizers: their own derivative is forgotten on the way back",
        "npuq/models/older_rate.py",
        "return older_quantize_backward_straight_through(d_z, y, u, **static), d_density",
        "return d_z, d_density",
        OPERATIONS,
        LINEAR_SLOPES,
    ),
    *each_law(
        "conditional twin: another bound",
        "npuq/nn/normal.py",
        "float(np.float32(0.11))",
        "float(np.float32(0.1))",
        EQUATION_23,
    ),
    *each_law(
        "conditional twin: the bound's gradient is the exact one",
        "npuq/models/conditional_rate.py",
        "d_t, d = noisy_rate_bits_backward(d_bits, t, u, params, cdf=normal, alpha=alpha)\n"
        "    return d_t, lower_bound_backward_straight_through(d.scale, sigma, SMALLEST_SCALE)",
        "d_t, d = noisy_rate_bits_backward(d_bits, t, u, params, cdf=normal, alpha=alpha)\n"
        "    return d_t, d.scale * (sigma >= SMALLEST_SCALE)",
        EQUATION_23,
    ),
]

CONVOLUTION_MUTANTS = [
    Mutant(
        "convolution: rows for columns of taps",
        "npuq/nn/conv.py",
        "yield p, q, (slice(None), rows, columns)",
        "yield q, p, (slice(None), rows, columns)",
        CONVOLUTIONS,
    ),
    Mutant(
        "convolution: doubles by Winograd's method as well",
        "npuq/kernels/cpu/conv.py",
        "if dtype == np.float32 and min",
        "if min",
        CONVOLUTIONS,
    ),
    Mutant(
        "convolution: arrays named as keywords are of any type",
        "npuq/runtime/twins.py",
        "            arrays = arrays_in((args, *static.values()))\n            place",
        "            arrays = arrays_in(args)\n            place",
        CONVOLUTIONS,
    ),
    *each_law(
        "Winograd: the value at infinity has the other sign",
        "npuq/nn/winograd.py",
        '[0, -1]])\n"""Of F',
        '[0, 1]])\n"""Of F',
        ("tests/property/test_winograd.py::test_the_matrices_in_integers",),
        FAST_CONVOLUTIONS,
    ),
    *each_law(
        "Winograd: a row of sums begins too late",
        "npuq/kernels/cpu/winograd_loops.py",
        "if i == 1 or i == 2:",
        "if i == 2:",
        FAST_CONVOLUTIONS,
        TWINS,
        COMPILED_ROWS,
    ),
    Mutant(
        "twins: the transposed convolution forgets its bias",
        "npuq/kernels/cpu/conv.py",
        "return _spread(x, w, bias, size, stride, padding)",
        "return _spread(x, w, None, size, stride, padding)",
        TWINS,
    ),
    Mutant(
        "twins: Adam's second moment is that of the step before",
        "npuq/kernels/cpu/adam.py",
        "np.sqrt(correction * v_new[i])",
        "np.sqrt(correction * v[i])",
        TWINS,
    ),
]

LAYER_MUTANTS = [
    *each_law(
        "GDN: gamma transposed",
        "npuq/nn/gdn.py",
        "beta + (x * x) @ gamma.T",
        "beta + (x * x) @ gamma",
        GAMMA,
        OPERATIONS,
        ROWS,
        STAGES,
    ),
    *each_law(
        "GDN: gamma transposed on the way back",
        "npuq/nn/gdn.py",
        "2 * x * (d_n @ gamma)",
        "2 * x * (d_n @ gamma.T)",
        GAMMA,
        OPERATIONS,
        ROWS,
        SLOPES,
    ),
    *each_law(
        "GDN: the gradient of gamma transposed",
        "npuq/nn/gdn.py",
        "tensordot(d_n, x * x, axes",
        "tensordot(x * x, d_n, axes",
        GAMMA,
        OPERATIONS,
        ROWS,
    ),
    *each_law(
        "GDN kernel: gamma transposed",
        "npuq/kernels/cpu/gdn.py",
        "    transposed = np.ascontiguousarray(gamma.T)\n    y =",
        "    transposed = np.ascontiguousarray(gamma)\n    y =",
        GAMMA,
        COMPILED_ROWS,
    ),
    *each_law(
        "GDN kernel: gamma transposed on the way back",
        "npuq/kernels/cpu/gdn.py",
        "np.dot(d_norm_t, gamma, pooled_t)",
        "np.dot(d_norm_t, transposed, pooled_t)",
        GAMMA,
        COMPILED_ROWS,
    ),
    *each_law(
        "GDN kernel: the gradient of gamma transposed",
        "npuq/kernels/cpu/gdn.py",
        "np.dot(d_norm_t.T, squares_t, product)",
        "np.dot(squares_t.T, d_norm_t, product)",
        GAMMA,
        COMPILED_ROWS,
    ),
    *each_law(
        "leaky ReLU: another usual slope",
        "npuq/nn/activations.py",
        "def leaky_relu(x: Array, slope: float = 0.01)",
        "def leaky_relu(x: Array, slope: float = 0.02)",
        HUNDREDTH,
    ),
    *each_law(
        "leaky ReLU: another usual slope on the way back",
        "npuq/nn/activations.py",
        "def leaky_relu_backward(d_y: Array, x: Array, slope: float = 0.01)",
        "def leaky_relu_backward(d_y: Array, x: Array, slope: float = 0.02)",
        HUNDREDTH,
        STACK,
        SLOPES,
    ),
    *each_law(
        "stack: another slope",
        LAYERS,
        "slope: float = 0.01,\n) -> tuple[Array, list[Array]]:",
        "slope: float = 0.02,\n) -> tuple[Array, list[Array]]:",
        STACK,
        ARCHITECTURES,
        STAGES,
        IMPORTED,
    ),
    *each_law(
        "stack: no slope on the way back",
        LAYERS,
        "d_x = leaky_relu_backward(d_x, x, slope)",
        "d_x = leaky_relu_backward(d_x, x, 0.0)",
        STACK,
        SLOPES,
        FROZEN_LOSS,
    ),
    *each_law(
        "integer scales: another slope",
        "npuq/trained/integer_scales.py",
        "SLOPE = round(0.01 *",
        "SLOPE = round(0.02 *",
        INTEGERS,
    ),
    *each_law(
        "integer scales: leaky in the scale hyperprior",
        "npuq/trained/hyperprior.py",
        "SLOPE if has_means(trained) else 0)",
        "SLOPE)",
        INTEGERS,
    ),
    *each_law(
        "import: beta and gamma's bound forgotten",
        LAYERS,
        "function(x, non_negative(params.beta, SMALLEST_BETA), non_negative(params.gamma))",
        "function(x, params.beta, params.gamma)",
        IMPORTED,
        STAGES,
    ),
    *each_law(
        "import: GDN in the reverse order",
        "npuq/exchange/compressai_names.py",
        "[stack.removesuffix('_gdn')]}.{2 * int(part) + 1}",
        "[stack.removesuffix('_gdn')]}.{5 - 2 * int(part)}",
        IMPORTED,
    ),
    *each_law(
        "import: gamma transposed",
        "npuq/exchange/compressai.py",
        "with_arrays(like, arrays),\n        alpha=0.0,",
        'with_arrays(like, {n: a.T if n.endswith("gamma") else a for n, a in arrays.items()}),'
        "\n        alpha=0.0,",
        IMPORTED,
    ),
    *each_law(
        "import: H transposed",
        "npuq/exchange/compressai.py",
        "with_arrays(like, arrays),\n        alpha=0.0,",
        "with_arrays(like, {n: a.swapaxes(1, 2) if a.ndim == 3 and a.shape[1] == a.shape[2] else a"
        " for n, a in arrays.items()}),\n        alpha=0.0,",
        IMPORTED,
    ),
    *each_law(
        "import: medians in other units",
        "npuq/exchange/compressai.py",
        "np.rint(MEDIAN_UNIT * medians)",
        "np.rint(256 * medians)",
        IMPORTED,
    ),
]

MODEL_MUTANTS = [
    *HYPERPRIOR_MUTANTS,
    *LINEAR_MUTANTS,
    *DENSITY_MUTANTS,
    *CONVOLUTION_MUTANTS,
    *LAYER_MUTANTS,
    Mutant(
        "noise: older runs go on with that of new ones",
        "npuq/training/checkpoint.py",
        'manifest["options"] | {"noise": "pcg64"}',
        'manifest["options"] | {"noise": "philox"}',
        ("tests/golden/test_checkpoint_golden.py",),
    ),
    Mutant(
        "noise: that of validation is that of a run",
        "npuq/training/step.py",
        "_VALIDATION_TENSORS = 1 << 31",
        "_VALIDATION_TENSORS = 0",
        (
            "tests/integration/test_training.py::test_no_noise_is_that_of_another_step_tensor_run_or_validation",
        ),
    ),
    Mutant(
        "noise: all tensors share it in compiled code",
        "npuq/kernels/cpu/noise.py",
        "c2, c3 = np.uint64(step), np.uint64(tensor)",
        "c2, c3 = np.uint64(step), np.uint64(0)",
        ("tests/unit/test_twins_pairs.py::test_twins_compute_the_same",),
    ),
]
