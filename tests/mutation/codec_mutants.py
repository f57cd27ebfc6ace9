"""Faults in the coder, the codec and what decides a symbol."""

from __future__ import annotations

from mutant import Mutant

CODER = "npuq/coding/arithmetic.py"
INTERVALS = "npuq/coding/intervals.py"
FAST_INTERVALS = "npuq/kernels/cpu/intervals.py"
QUANTIZER = "npuq/codec/quantizer.py"
LOOKUP = "npuq/kernels/cpu/quantizer.py"
RANGE_CODER = "npuq/coding/range_coder.py"

SCALES = "npuq/trained/integer_scales.py"
DITHER = "npuq/coding/dither.py"

CODER_TESTS = ("tests/unit/test_coding_arithmetic.py",)
CODER_LAWS = ("tests/property/test_coding_coder.py",)
# Others are killed by the system where an array ends, which is no verdict.
ROOM_TESTS = (f"{CODER_TESTS[0]}::test_there_is_room_for_groups_of_unequal_size",)
QUANTIZER_TESTS = ("tests/unit/test_quantizer.py",)
SCALES_TESTS = ("tests/unit/test_integer_scales.py",)
DITHER_TESTS = ("tests/unit/test_coding_dither.py",)
ADDRESS_TESTS = ("tests/unit/test_codec_addresses.py",)

ARRAYS = "npuq/latents/arrays.py"
ARRAY_TESTS = ("tests/unit/test_latents.py",)
TARGETS = "npuq/evaluation/targets.py"
TARGET_TESTS = ("tests/unit/test_targets.py",)
CURVES = "npuq/evaluation/curves.py"
CURVE_TESTS = ("tests/unit/test_curves.py",)

CODEC_MUTANTS: list[Mutant] = [
    Mutant(
        "range coder: the step without a branch stays in its place",
        RANGE_CODER,
        "(min(n + 1, beyond) << log2_unit)",
        "(min(n, beyond) << log2_unit)",
        CODER_LAWS,
    ),
    Mutant(
        "range coder: the step without a branch leaves the lower end behind",
        RANGE_CODER,
        "lower = upper if is_short else lower",
        "lower = above if n < 0 else lower",
        CODER_LAWS,
    ),
    Mutant(
        "quantizer: the compiled one rounds half to even",
        LOOKUP,
        "np.int32(np.floor(y_c[i] - table[n_c[i]])) + np.int32(1)",
        "np.int32(np.rint(y_c[i] - table[n_c[i]] + np.float32(0.5)))",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the plain one rounds half to even",
        QUANTIZER,
        "np.add(floor, 1, out=k)",
        "k[:] = np.rint(y - v[n] + np.float32(0.5))",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the compiled one sends ties down",
        LOOKUP,
        "np.int32(np.floor(y_c[i] - table[n_c[i]])) + np.int32(1)",
        "np.int32(np.ceil(y_c[i] - table[n_c[i]]))",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the plain one sends ties down",
        QUANTIZER,
        "np.add(floor, 1, out=k)",
        "k[:] = np.ceil(y - v[n])",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the plain one adds its one to a float",
        QUANTIZER,
        "np.add(floor, 1, out=k)",
        "k[:] = np.floor(y - v[n]) + 1",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the difference is one of float64",
        QUANTIZER,
        "v = (phases / PHASE_UNIT).astype(np.float32)",
        "v = phases / PHASE_UNIT",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "linear codec: coefficients in float64",
        "npuq/codec/linear_tiles.py",
        "linear.images_to_blocks(pixels[None])",
        "linear.images_to_blocks(pixels[None], np.float64)",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "tiles: latents in float64",
        "npuq/codec/tiles.py",
        "y = xp.empty((params.analysis[-1].w.shape[0], *size), np.float32)",
        "y = xp.empty((params.analysis[-1].w.shape[0], *size), np.float64)",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "coder: room for the smallest group of channels",
        CODER,
        "largest = max((int(sizes.sum()) for _, sizes in pieces), default=0)",
        "largest = min((int(sizes.sum()) for _, sizes in pieces), default=0)",
        ROOM_TESTS,
    ),
    Mutant(
        "coder: room for an escape of 31 bits",
        INTERVALS,
        "MOST_INTERVALS = 64 ",
        "MOST_INTERVALS = 62 ",
        ROOM_TESTS,
    ),
    Mutant(
        "coder: room for five words a symbol",
        CODER,
        "WORDS_PER_SYMBOL = 6 ",
        "WORDS_PER_SYMBOL = 5 ",
        ROOM_TESTS,
    ),
    Mutant(
        "coder: the bits of an escape in compiled code are upside down",
        FAST_INTERVALS,
        "low = HALF * (distance >> bit & 1)",
        "low = HALF - HALF * (distance >> bit & 1)",
        CODER_TESTS,
    ),
    Mutant(
        "coder: the bits of an escape in plain code are upside down",
        INTERVALS,
        "lower[size] = HALF * (distance >> bit & 1)",
        "lower[size] = HALF - HALF * (distance >> bit & 1)",
        CODER_TESTS,
    ),
    Mutant(
        "coder: escapes above count from one too far, in compiled code",
        FAST_INTERVALS,
        "distance = -distance if index < 0 else distance - beyond + 1",
        "distance = -distance if index < 0 else distance - beyond + 2",
        CODER_TESTS,
    ),
    Mutant(
        "integer scales: a bound of 2^53 itself passes",
        SCALES,
        "if not bound + (1 << layer.shift) < EXACT:",
        "if not bound + (1 << layer.shift) <= EXACT:",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: the bound forgets what rounding adds",
        SCALES,
        "if not bound + (1 << layer.shift) < EXACT:",
        "if not bound < EXACT:",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: the bound forgets the biases",
        SCALES,
        "sums * (LARGEST << fraction) + np.abs(layer.b)",
        "sums * (LARGEST << fraction)",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: the bound takes biases of one sign for the other",
        SCALES,
        "sums * (LARGEST << fraction) + np.abs(layer.b)",
        "sums * (LARGEST << fraction) + layer.b",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: the bound looks at the first output alone",
        SCALES,
        "bound = float(np.max(",
        "bound = float(np.ravel(",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: float32 sums",
        SCALES,
        "512 * LARGEST).astype(np.float64)",
        "512 * LARGEST).astype(np.float32)",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: leaks a fiftieth",
        SCALES,
        "SLOPE = round(0.01 * (1 << SLOPE_BITS))",
        "SLOPE = round(0.02 * (1 << SLOPE_BITS))",
        SCALES_TESTS,
    ),
    Mutant(
        "integer scales: rounds down",
        SCALES,
        "(sums + 2.0 ** (layer.shift - 1)) / 2.0**layer.shift",
        "sums / 2.0**layer.shift",
        SCALES_TESTS,
    ),
    Mutant(
        "widths: the kernel is for others than the models that are shipped",
        "npuq/kernels/cpu/cdf_network.py",
        "WIDTHS = (3, 3, 3)",
        "WIDTHS = (3, 3, 3, 3)",
        ("tests/unit/test_shipped.py",),
    ),
    Mutant(
        "dither: rows for columns in compiled code",
        "npuq/kernels/cpu/dither.py",
        "c0, c1 = np.uint64(first_block) + block, np.uint64(first_row) + row",
        "c1, c0 = np.uint64(first_block) + block, np.uint64(first_row) + row",
        DITHER_TESTS,
    ),
    Mutant(
        "dither: all tensors share it in plain code",
        DITHER,
        "counter[..., 3] = tensor",
        "counter[..., 3] = 0",
        DITHER_TESTS,
    ),
    Mutant(
        "dither: all channels share it in plain code",
        DITHER,
        "counter[..., 2] = xp.arange(first_channel, first_channel + channels)[:, None, None]",
        "counter[..., 2] = 0",
        DITHER_TESTS,
    ),
    Mutant(
        "dither: half of the seed is forgotten",
        DITHER,
        "np.array([seed & WORD_MASK, seed >> 32], np.uint32)",
        "np.array([seed & WORD_MASK, 0], np.uint32)",
        DITHER_TESTS,
    ),
    Mutant(
        "dither: bytes of a word in the other order",
        DITHER,
        'words.astype("<u4", copy=False)',
        'words.astype(">u4", copy=False)',
        DITHER_TESTS,
    ),
    Mutant(
        "dither: latents and hyper-latents share it",
        "npuq/codec/scale_streams.py",
        "LATENTS, HYPER_LATENTS = 0, 1",
        "LATENTS, HYPER_LATENTS = 0, 0",
        ADDRESS_TESTS,
    ),
    Mutant(
        "dither: every band of the linear model begins with that of row 0",
        "npuq/codec/linear.py",
        "seed=seed, first_row=first_row, device=device)\n    k =",
        "seed=seed, first_row=0, device=device)\n    k =",
        ADDRESS_TESTS,
    ),
    Mutant(
        "residuals: the bound of scales is 0.11 of float64",
        "npuq/nn/normal.py",
        "SMALLEST_SCALE = float(np.float32(0.11))",
        "SMALLEST_SCALE = 0.11",
        ("tests/property/test_conditional_rate.py",),
    ),
    Mutant(
        "soft rounding: -0.0 loses its sign",
        "npuq/paper/digits.py",
        "xp.where(n == y, xp.copysign(y.dtype.type(0), y), y - n)",
        "xp.where(n == y, 0, y - n)",
        ("tests/unit/test_paper_soft_round.py",),
    ),
    Mutant(
        "rounding: what becomes 0 loses its sign",
        "npuq/paper/channel.py",
        "return xp.copysign(floor + (fraction >= 0.5).astype(floor.dtype), y)",
        "return floor + (fraction >= 0.5).astype(floor.dtype)",
        ("tests/unit/test_paper_soft_round.py",),
    ),
    Mutant(
        "arrays: blocks begin with the dither of column 0",
        "npuq/latents/quantization.py",
        "first_column=columns.start",
        "first_column=0",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: all tensors share their dither",
        "npuq/latents/quantization.py",
        "tensor=tensor",
        "tensor=0",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: quantized in single precision",
        ARRAYS,
        "view[part].astype(np.float64)",
        "view[part].astype(np.float32)",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: means are added with the other sign",
        ARRAYS,
        "z += shift[part]",
        "z -= shift[part]",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: the step does not widen the density",
        "npuq/latents/tables.py",
        "cdfs[0](y * step)",
        "cdfs[0](y)",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: other scales are not noticed",
        ARRAYS,
        "indexes_crc(indexes) != header.scales_crc",
        "False",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: the level below at a threshold",
        "npuq/latents/scales.py",
        'side="right"',
        'side="left"',
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: float scales in another unit",
        "npuq/latents/scales.py",
        "/ tables.step * 2.0**FRACTION",
        "* 2.0**FRACTION",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: the hash forgets the step",
        "npuq/latents/tables.py",
        '"step": tables.step, ',
        "",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: a float16 becomes infinite",
        ARRAYS,
        ", -most, most, out=z)",
        ", -np.inf, np.inf, out=z)",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: the density that fits worst is taken",
        "npuq/latents/densities.py",
        "return min(found,",
        "return max(found,",
        ("tests/integration/test_cli_arrays.py",),
    ),
    Mutant(
        "arrays: a Laplace distribution has the scale of its standard deviation",
        "npuq/latents/densities.py",
        "abs(y - location).mean() if family",
        "y.std() if family",
        ("tests/integration/test_cli_arrays.py",),
    ),
    Mutant(
        "arrays: .npy files in the order of Fortran are read as of C",
        "npuq/io/npy.py",
        'order="F" if is_fortran else "C"',
        'order="C"',
        ("tests/integration/test_cli_arrays.py",),
    ),
    Mutant(
        "softness: r is the identity unless told otherwise",
        "npuq/models/noisy_rate.py",
        "alpha if self.alpha_r is None else",
        "0.0 if self.alpha_r is None else",
        ("tests/unit/test_kernels.py::test_the_softness_of_r_is_that_of_s_where_none_is_given",),
    ),
    Mutant(
        "density: soft rounding does not move the place of evaluation",
        "npuq/paper/density.py",
        "return 2.0 ** -rate_bits(z, params, cdf=cdf, alpha=alpha)",
        "return 2.0 ** -rate_bits(z, params, cdf=cdf)",
        ("tests/property/test_laws.py::test_npuq_obeys[logistic_soft_rounded_density.moved-fast]",),
    ),
    Mutant(
        "arrays: scales have 64 levels, as in image files",
        "npuq/latents/tables.py",
        "SCALES = 160",
        "SCALES = 64",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays: channels are looked for along the first axis alone",
        "npuq/cli/arrays.py",
        "axis=args.channels or 0",
        "axis=0",
        ("tests/integration/test_cli_arrays.py",),
    ),
    Mutant(
        "targets: a file of just so many bytes does not fit",
        TARGETS,
        "len(data) > largest",
        "len(data) >= largest",
        TARGET_TESTS,
    ),
    Mutant(
        "targets: the largest file that fits is taken",
        TARGETS,
        "(error, len(data)) < best[:2]",
        "-len(data) < -best[1]",
        TARGET_TESTS,
    ),
    Mutant(
        "targets: of equally good files the first is taken",
        TARGETS,
        "(error, len(data)) < best[:2]",
        "error < best[0]",
        TARGET_TESTS,
    ),
    Mutant(
        "curves: points are those of single images",
        CURVES,
        "for record in mean_records(own)",
        "for record in own",
        CURVE_TESTS,
    ),
    Mutant(
        "curves: points stand in the order of measuring",
        CURVES,
        "shown.sort(key=lambda record: record.bpp)",
        "shown.reverse()",
        CURVE_TESTS,
    ),
]
