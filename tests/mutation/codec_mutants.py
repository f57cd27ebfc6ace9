"""Faults in the coder, the codec and what decides a symbol."""

from __future__ import annotations

from mutant import Mutant

CODER = "npuq/coding/arithmetic.py"
INTERVALS = "npuq/coding/intervals.py"
QUANTIZER = "npuq/quantizer.py"
LOOKUP = "npuq/kernels/lookup.py"

CODER_TESTS = ("tests/unit/test_coding_arithmetic.py",)
# Others are killed by the system where an array ends, which is no verdict.
ROOM_TESTS = (f"{CODER_TESTS[0]}::test_there_is_room_for_groups_of_unequal_size",)
QUANTIZER_TESTS = ("tests/unit/test_quantizer.py",)

CODEC_MUTANTS: list[Mutant] = [
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
        "np.add(np.floor(y - v[n]).astype(np.int32), 1, out=k)",
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
        "np.add(np.floor(y - v[n]).astype(np.int32), 1, out=k)",
        "k[:] = np.ceil(y - v[n])",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "quantizer: the plain one adds its one to a float",
        QUANTIZER,
        "np.add(np.floor(y - v[n]).astype(np.int32), 1, out=k)",
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
        "npuq/codec_linear.py",
        "linear.images_to_blocks(pixels[None])",
        "linear.images_to_blocks(pixels[None], np.float64)",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "tiles: latents in float64",
        "npuq/tiles.py",
        "y = np.empty((params.analysis[-1].w.shape[0], *size), np.float32)",
        "y = np.empty((params.analysis[-1].w.shape[0], *size), np.float64)",
        QUANTIZER_TESTS,
    ),
    Mutant(
        "coder: room for the smallest group of channels",
        CODER,
        "largest = max((int(counts[group].sum()) for group in groups), default=0)",
        "largest = min((int(counts[group].sum()) for group in groups), default=0)",
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
        INTERVALS,
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
        INTERVALS,
        "distance = -distance if index < 0 else distance - beyond + 1",
        "distance = -distance if index < 0 else distance - beyond + 2",
        CODER_TESTS,
    ),
]
