"""Faults in lattice points as bytes, in logarithms of masses, and in the later channels."""

from __future__ import annotations

from mutant import Mutant

POINTS, TABLES = "npuq/latents/lattice_points.py", "npuq/latents/lattice_tables.py"
ARRAYS = "npuq/latents/lattice_arrays.py"
LATTICE_TESTS = ("tests/unit/test_lattice_arrays.py",)
LAWS, LAW_TESTS = "npuq/nn/standard_laws.py", ("tests/unit/test_nn_log_mass.py",)
CHANNEL_TESTS = ("tests/property/test_paper_later_channels.py",)

LATTICE_MUTANTS: list[Mutant] = [
    Mutant(
        "choices: what lies on an edge belongs to the one below",
        "npuq/coding/choices.py",
        "while edges[row + j + 1] <= target",
        "while edges[row + j + 1] < target",
        ("tests/unit/test_coding_choices.py",),
    ),
    Mutant(
        "lattices: a half step from dither 128 does not wrap",
        POINTS,
        "bits & (dither >= HALF_STEP)",
        "bits & (dither > HALF_STEP)",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: the sides of a box count alike",
        POINTS,
        "squares * (t -",
        "1.0 * (t -",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: E8 is half a percent too coarse",
        POINTS,
        "929 / 12960",
        "929 / 12900",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: weights of words lose 13 bits more",
        POINTS,
        "(product >> 17) * (halves[1] >> 17)",
        "(product >> 30) * (halves[1] >> 30)",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: a one has the weight of a zero",
        POINTS,
        "both = np.stack([WEIGHT - ones, ones])",
        "both = np.stack([ones, WEIGHT - ones])",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: weights are those of a quarter step",
        TABLES,
        "np.roll(whole, HALF_STEP)",
        "np.roll(whole, HALF_STEP // 2)",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: the error is modelled as nearly triangular",
        TABLES,
        "TRIANGULAR = 0.1",
        "TRIANGULAR = 0.9",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: both sides of A2 have one table",
        ARRAYS,
        "np.arange(shape[2]) % sides",
        "np.arange(shape[2]) * 0",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattices: blocks may claim more bytes than they have",
        ARRAYS,
        "if end > len(data):",
        "if False:",
        LATTICE_TESTS,
    ),
    Mutant(
        "lattice tables: weights may be 0",
        "npuq/latents/lattice_tables_file.py",
        "weights.min() < 1",
        "False",
        LATTICE_TESTS,
    ),
    Mutant(
        "log mass: the middle of a short interval is its end",
        LAWS,
        "m = a + w / 2",
        "m = a",
        LAW_TESTS,
    ),
    Mutant(
        "log mass: the gap is that of rounded ends",
        "npuq/nn/log_mass.py",
        "(upper - lower) / params.scale",
        "b - a",
        LAW_TESTS,
    ),
    Mutant(
        "hybrid coding: k is that of the first dither",
        "npuq/paper/hybrid_coding.py",
        "dithers.sample(sent.n, 1)[0])\n    return",
        "dithers.sample(0, 1)[0])\n    return",
        CHANNEL_TESTS,
    ),
    Mutant(
        "tree: arrivals do not wait longer in smaller intervals",
        "npuq/paper/search_tree.py",
        "time = after - math.log(wait) / (high - low)",
        "time = after - math.log(wait)",
        CHANNEL_TESTS,
    ),
    Mutant(
        "greedy Poisson rejection: sigma forgets what was sent before",
        "npuq/paper/peaked_ratio.py",
        "w_q - eta * w_p)",
        "w_q)",
        CHANNEL_TESTS,
    ),
    Mutant(
        "A* coding: ends a nat too early",
        "npuq/paper/tree_search.py",
        "math.log(node.time) - ratio.log_max < best",
        "math.log(node.time) - ratio.log_max + 1 < best",
        CHANNEL_TESTS,
    ),
    Mutant(
        "rejection: balls of Gaussian noise have n degrees of freedom",
        "npuq/paper/rejection_quantization.py",
        "dimensions + 2, shape",
        "dimensions, shape",
        CHANNEL_TESTS,
    ),
]
