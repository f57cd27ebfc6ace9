"""Faults in kernels for CUDA devices and in what launches them."""

from __future__ import annotations

from mutant import Mutant

CUDA = "npuq/kernels/cuda/"
DENSITY = ("tests/gpu/test_rates.py::test_the_density_with_all_gradients",)
CONDITIONAL = ("tests/gpu/test_rates.py::test_the_conditional_rate",)
DITHER = ("tests/gpu/test_elementwise.py::test_dither_words_bit_for_bit",)
NOISE = ("tests/gpu/test_elementwise.py::test_noise_bit_for_bit",)
LOOK_UPS = ("tests/gpu/test_elementwise.py::test_look_ups_are_those_of_the_host",)
BOUNDED = ("tests/gpu/test_elementwise.py::test_bounded_parameters_bit_for_bit",)
LEAKY = ("tests/gpu/test_elementwise.py::test_leaky_relu_there_and_back",)
ADAM = ("tests/gpu/test_adam.py::test_a_run_of_steps_is_that_of_the_training_loop",)
MEDIAN = ("tests/gpu/test_adam.py::test_a_gradient_is_judged_by_the_median_of_those_before",)
GDN = ("tests/gpu/test_gdn.py::test_there_and_back",)
WIDE = ("tests/gpu/test_conv.py::test_wide_ones_by_winograd",)
NARROW = ("tests/gpu/test_conv.py::test_narrow_ones_by_the_definition",)
PRODUCTS = ("tests/gpu/test_conv.py::test_products_as_cublas_is_asked_for_them",)
CROPS = ("tests/gpu/test_crops.py::test_each_field_of_a_choice",)
BATCHES = ("tests/gpu/test_crops.py::test_a_batch_is_that_of_the_host",)
DEVICES = ("tests/gpu/test_backend.py::test_arrays_of_two_devices_are_refused_by_what_has_twins",)
FILES = ("tests/gpu/test_coding.py::test_a_file_of_either_device_is_one_file",)
SCALES = ("tests/gpu/test_coding.py::test_scales_are_the_same_integers",)
FALLS = ("tests/gpu/test_coding.py::test_without_a_device",)
BACK = ("tests/gpu/test_rates.py::test_the_way_back_from_both_gradients",)
BACK_OF_RESIDUALS = ("tests/gpu/test_rates.py::test_the_way_back_of_residuals_from_both_gradients",)
SELDOM = ("tests/gpu/test_device_steps.py::test_losses_are_fetched_some_at_once",)
STEPS = ("tests/gpu/test_device_steps.py::test_steps_are_those_of_the_host",)
WHOLE = ("tests/gpu/test_models.py::test_the_device_computes_what_the_host_does",)


def fault(name: str, file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutant:
    """A fault of a file of that folder."""
    return Mutant(f"CUDA: {name}", CUDA + file, old, new, tests)


CUDA_MUTANTS = [
    fault(
        "H of the density transposed", "cdf_network.cuh",
        "h += w[LAYER(l) + 3 * i + j]",
        "h += w[LAYER(l) + 3 * j + i]",
        DENSITY,
    ),
    fault(
        "a gradient of H transposed", "cdf_network.cuh",
        "sums[LAYER(l) + 3 * i + j] +=",
        "sums[LAYER(l) + 3 * j + i] +=",
        DENSITY,
    ),
    fault(
        "half of a warp is not added", "noisy_rate.cu",
        "for (int bits = 16; bits;",
        "for (int bits = 8; bits;",
        DENSITY,
    ),
    fault(
        "no barrier before the warps are added", "noisy_rate.cu",
        "  __syncthreads();\n  if (thread < SUMS)",
        "  if (thread < SUMS)",
        DENSITY,
    ),
    fault(
        "softness of s for that of r", "noisy_rate.cu",
        "softness_of(softness + 5)",
        "softness_of(softness)",
        DENSITY,
    ),
    fault(
        "the slope of softplus forgotten", "noisy_rate.cu",
        "slot.part == 0 ? 0.5f + 0.5f * t",
        "slot.part == 0 ? 1.f",
        DENSITY,
    ),
    fault(
        "scales without a bound", "conditional_rate.cu",
        "sigma[at] < smallest ? smallest : sigma[at]",
        "sigma[at]",
        CONDITIONAL,
    ),
    fault(
        "Eq. 17 where it is not asked for", "conditional_rate.cu",
        "if (flags & EXPECTED_RATE)",
        "if (flags & 3)",
        CONDITIONAL,
    ),
    fault(
        "rows of the way back mixed up", "noisy_rate.cu",
        "d_bits[at / columns]",
        "d_bits[at % columns % 3]",
        BACK,
    ),
    fault(
        "a strided gradient is read as it lies", "noisy_rate.py",
        "(d_r,) = contiguous(d_r.astype(np.float32, copy=False))",
        "pass",
        BACK,
    ),
    fault(
        "the gradient of r is dropped", "conditional_rate.py",
        "d_r * kept.dr_dt + d_bits",
        "d_bits",
        BACK_OF_RESIDUALS,
    ),
    fault(
        "rows and channels of the dither mixed up", "dither.cu",
        "first_row + at / blocks % rows, first_channel + at / blocks / rows",
        "first_row + at / blocks / rows, first_channel + at / blocks % rows",
        DITHER,
    ),
    fault("nine rounds of Philox", "philox.cuh", "round < 10", "round < 9", NOISE),
    fault(
        "noise of 23 bits", "noise.cu",
        "counter[i] >> 8) * 5.9604644775390625e-8f",
        "counter[i] >> 9) * 1.1920928955078125e-7f",
        NOISE,
    ),
    fault(
        "truncation for floor", "quantizer.cu",
        "(int)floorf(y[at] - v[n[at]])",
        "(int)(y[at] - v[n[at]])",
        LOOK_UPS,
    ),
    fault(
        "parameters below their bound cannot come back", "non_negative.cu",
        "theta[i] >= root || d < 0.f",
        "theta[i] >= root",
        BOUNDED,
    ),
    fault(
        "the gradient of leaky ReLU at 0", "activations.cu",
        "x[at] > 0.f",
        "x[at] >= 0.f",
        LEAKY,
    ),
    fault(
        "a launch in Python's floats", "activations.py",
        "numbers = np.float32(slope)",
        "numbers = slope",
        LEAKY,
    ),
    fault(
        "skipped steps counted as Adam's", "flat_adam.cu",
        "steps[0] += !is_outlier",
        "steps[0] += 1",
        ADAM,
    ),
    fault("the length after clipping", "flat_adam.cu", "g[i] * (float)decision[0]", "g[i]", ADAM),
    fault(
        "the lower middle for the median", "flat_adam.cu",
        "0.5 * (middle[0] + middle[1])",
        "middle[0]",
        MEDIAN,
    ),
    fault(
        "ties of lengths", "flat_adam.cu",
        " || (before[i] == before[thread] && i < thread)",
        "",
        MEDIAN,
    ),
    fault(
        "gamma transposed in the pool's gradient", "gdn.cu",
        "gamma[i * C + channel + j]",
        "gamma[(channel + j) * C + i]",
        GDN,
    ),
    fault(
        "no barrier between tiles", "product.cuh",
        "    __syncthreads();  // nobody reads the tiles any more\n",
        "",
        GDN,
    ),
    fault(
        "TF32 where single precision is asked for", "product.cuh",
        "if (precise) {",
        "if (false) {",
        GDN,
    ),
    fault(
        "a pixel beyond the image", "winograd.cu",
        "row >= 0 && row < H && column",
        "row >= 0 && row <= H && column",
        WIDE,
    ),
    fault("a sign at infinity", "winograd.cu", "{1, -1}, {0, -1}};", "{1, -1}, {0, 1}};", WIDE),
    fault(
        "phases mixed up", "winograd.cu",
        "t * width + f * across + h",
        "t * width + h * across + f",
        WIDE,
    ),
    fault(
        "points of one size in another order", "winograd.py",
        "5: ((0, 9, 4), (9, 6, 2), (15, 1, 1))",
        "5: ((0, 9, 4), (9, 1, 1), (10, 6, 2))",
        WIDE,
    ),
    fault(
        "rows and columns of the kernel mixed up", "unfold.cu",
        "q = at / C % kw, p = at / C / kw % kh",
        "p = at / C % kh, q = at / C / kh % kw",
        NARROW,
    ),
    fault(
        "a transposed product without its leading dimension", "products.py",
        "_address(b), b.shape[2]",
        "_address(b), n",
        PRODUCTS,
    ),
    fault(
        "turned before it is mirrored", "crops.cu",
        "  if (choice[5]) x = end - x;\n",
        "  if (choice[5]) y = end - y;\n",
        CROPS,
    ),
    fault(
        "weights of crops in single precision", "crops.cu",
        "{ return __dmul_rn(a, b); }",
        "{ return (float)(a * b); }",
        BATCHES,
    ),
    fault(
        "a host's function on the device", "conv.py",
        "cupy.zeros(channels, np.float32) if bias",
        "np.zeros(channels, np.float32) if bias",
        WHOLE,
    ),
    Mutant(
        "CUDA: arrays of two devices pass", "npuq/runtime/twins.py",
        "place = xp_of(*arrays)  # refuses those of two devices",
        "place = xp_of(*arrays[:1])",
        DEVICES,
    ),
    Mutant(
        "CUDA: files are made on the host all the same", "npuq/codec/files.py",
        "    model = on_device(model, usable_device(device))\n    header =",
        "    header =",
        FILES,
    ),
    Mutant(
        "CUDA: integer scales stay on the host", "npuq/trained/model.py",
        "w=to_device(layer.w, device), b",
        "b",
        SCALES,
    ),
    Mutant(
        "CUDA: a tile's part is not cut out on the device", "npuq/codec/scale_streams.py",
        "part = to_device(w[(slice(None), *tile.outer)][None], device)",
        "part = to_device(w[(slice(None), *tile.core)][None], device)",
        FILES,
    ),
    Mutant(
        "CUDA: auto insists on a device", "npuq/backend.py",
        'if device == "auto":',
        'if device == "":',
        FALLS,
    ),
    Mutant(
        "device: each loss is waited for", "npuq/training/device_steps.py",
        "min(STEPS_PER_WAIT, TABLE",
        "min(1, TABLE",
        SELDOM,
    ),
    Mutant(
        "device: steps that are replayed are those of the first", "npuq/training/device_steps.py",
        "        take_row(self._table, self._count, self._now)\n",
        "        self._now[...] = self._table[0]\n",
        STEPS,
    ),
    Mutant(
        "device: photographs are reduced by more than was said", "npuq/training/crops.py",
        "side = min(max(smallest, crop), *shape[:2])",
        "side = max(smallest, crop)",
        STEPS,
    ),
    Mutant(
        "device: skipped steps move the average", "npuq/kernels/cuda/flat_adam.cu",
        "if (i >= count || decision[3] == 0) return;",
        "if (i < averaged) average[i] += (p[i] - average[i]) * 0.5f;\n"
        "  if (i >= count || decision[3] == 0) return;",
        ADAM,
    ),
    Mutant(
        "device: a gradient that is no number is followed", "npuq/kernels/cuda/flat_adam.cu",
        "decision[3] = is_number && !is_outlier;",
        "decision[3] = !is_outlier;",
        ("tests/gpu/test_adam.py::test_a_gradient_that_is_no_number_changes_nothing",),
    ),
    Mutant(
        "device: bands of large images begin too late", "npuq/kernels/cuda/bands.py",
        "begin = rows.start * self.stride - self.padding",
        "begin = rows.start * self.stride",
        ("tests/gpu/test_conv.py::test_large_images_band_by_band",),
    ),
    Mutant(
        "device: lengths are forgotten in a checkpoint", "npuq/training/device_steps.py",
        "lengths[: len(state.lengths)] = state.lengths",
        "pass",
        ("tests/gpu/test_device_steps.py::test_a_state_that_is_placed_there_comes_back",),
    ),
    Mutant(
        "device: an interruption cuts some steps in two", "npuq/runtime/interruptions.py",
        "before[number] = signal.signal(number, handler)",
        "before[number] = signal.getsignal(number)",
        ("tests/unit/test_interruptions.py",),
    ),
    Mutant(
        "device: the loss is fetched where it is made", "npuq/models/hyperprior.py",
        "hyper_bpp = hyper.bits.sum() / pixels",
        "hyper_bpp = float(hyper.bits.sum()) / pixels",
        WHOLE,
    ),
]  # fmt: skip
