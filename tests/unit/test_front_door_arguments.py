"""Wrong arguments of what `npuq` offers: each is refused by a typed error that names it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import npuq
from npuq.nn import logistic

Y = np.array([0.3, -1.2, 2.6])
U = np.array([0.1, -0.4, 0.3])
PARAMS = logistic.Params(np.array(0.1), np.array(0.7))
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
DATA = npuq.compress(IMAGE)
TABLES = npuq.make_tables(scipy.stats.laplace(), step=0.5, channels=3)
CODED = npuq.encode_array(Y[:, None], TABLES)

VECTORS = np.array([[1.3, -0.4], [0.2, 2.5], [0.7, 0.1]])
LATTICE_TABLES = npuq.make_lattice_tables(scipy.stats.laplace(), lattice="A2")
CODED_VECTORS = npuq.encode_vectors(VECTORS, LATTICE_TABLES)
DENSITY = {"z": Y, "params": PARAMS, "cdf": logistic, "alpha": 4.0}
CURVES = {
    "rates_a": [1, 2, 4], "psnrs_a": [30, 33, 36], "rates_b": [1, 2, 5], "psnrs_b": [30, 33, 36],
}  # fmt: skip
RIGHT: dict[str, dict[str, Any]] = {
    "compress": {"image": IMAGE, "method": "un+q", "quality": 4, "model": "linear", "seed": 0,
                 "device": "cpu", "progress": None},
    "decompress": {"data": DATA, "model": None, "device": "cpu", "progress": None},
    "load_model": {"path": "model.npz"},
    "make_tables": {"density": scipy.stats.laplace(), "params": None, "step": 0.5, "alpha": 0.0,
                    "channels": 3, "name": ""},
    "make_scale_tables": {"density": None, "params": None, "step": 1.0, "alpha": 0.0, "levels": 64,
                          "name": ""},
    "save_tables": {"path": "tables.npz", "tables": TABLES},
    "load_tables": {"path": "tables.npz"},
    "encode_array": {"y": Y[:, None], "tables": TABLES, "method": None, "axis": 0, "scales": None,
                     "means": 0.0, "scales_are_shared": False, "seed": 0, "tensor": 0,
                     "embed": False},
    "decode_array": {"data": CODED, "tables": TABLES, "scales": None, "means": 0.0,
                     "scales_are_shared": False, "start": 0, "largest": 100},
    "make_lattice_tables": {"density": scipy.stats.laplace(), "params": None, "lattice": "A2",
                            "step": 0.5, "name": ""},
    "save_lattice_tables": {"path": "tables.npz", "tables": LATTICE_TABLES},
    "load_lattice_tables": {"path": "tables.npz"},
    "encode_vectors": {"y": VECTORS, "tables": LATTICE_TABLES, "axis": 0, "seed": 0, "tensor": 0,
                       "embed": False},
    "decode_vectors": {"data": CODED_VECTORS, "tables": LATTICE_TABLES, "start": 0, "largest": 100},
    "dither_integers": {"shape": (1, 2, 3), "seed": 1, "tensor": 0, "first_channel": 0,
                        "first_row": 0, "first_column": 0, "device": "cpu"},
    "dither_values": {"n": np.arange(3, dtype=np.uint8), "dtype": "float32"},
    "content_seed": {"y": Y},
    "round_half_up": {"y": Y},
    "round_half_up_backward_straight_through": {"d_k": Y, "y": Y},
    "uniform_noise": {"rng": np.random.default_rng(0), "shape": (3,), "dtype": "float64"},
    "uniform_noise_channel": {"y": Y, "u": U},
    "uniform_noise_channel_backward": {"d_z": Y, "y": Y, "u": U},
    "universal_quantize": {"y": Y, "u": U},
    "universal_dequantize": {"k": np.rint(Y), "u": U},
    "soft_round": {"y": Y, "alpha": 4.0},
    "soft_round_backward": {"d_s": Y, "y": Y, "alpha": 4.0},
    "soft_round_inverse": {"z": Y, "alpha": 4.0},
    "soft_round_inverse_backward": {"d_y": Y, "z": Y, "alpha": 4.0},
    "soft_round_conditional_mean": {"z": Y, "alpha": 4.0},
    "soft_round_conditional_mean_backward": {"d_r": Y, "z": Y, "alpha": 4.0},
    "soft_round_conditional_mean_backward_expected": {"d_r": Y, "z": Y, "alpha": 4.0},
    "conditional_mean": DENSITY,
    "conditional_mean_backward": {"d_mean": Y} | DENSITY,
    "expected_derivative": {"h": np.sin, "y": Y},
    "density": DENSITY,
    "interval_bits": {"lower": Y, "upper": Y + 1},
    "interval_bits_backward": {"d_bits": Y, "lower": Y, "upper": Y + 1},
    "log_cdf": {"y": Y, "params": PARAMS, "density": "normal"},
    "log_cdf_backward": {"d_log": Y, "y": Y, "params": PARAMS, "density": "normal"},
    "log_interval": {"lower": Y, "upper": Y + 1, "params": PARAMS, "density": "normal"},
    "log_interval_backward": {"d_log": Y, "lower": Y, "upper": Y + 1, "params": PARAMS,
                              "density": "normal"},
    "rate_bits": DENSITY,
    "rate_bits_backward": {"d_bits": Y} | DENSITY,
    "rate_bits_backward_expected": {"d_bits": Y, "y": Y, "params": PARAMS, "cdf": logistic,
                                    "alpha": 4.0},
    "psnr": {"x": IMAGE, "y": IMAGE},
    "ms_ssim": {"x": IMAGE, "y": IMAGE},
    "bd_rate": CURVES,
}  # fmt: skip
"""Arguments that every function of the front door takes."""

MASKED = np.ma.masked_array(Y, [0, 1, 0])
NO_NUMBERS = ("a name", object(), {"a": 1}, np.array([None, 1, 2]))
NO_ARRAY = (None, *NO_NUMBERS, np.array([1j, 2, 3]), MASKED)
NO_GRADIENT = (*NO_ARRAY, Y[:2], Y[:, None])
NO_PICTURE = (*NO_ARRAY, Y, np.array(IMAGE, str))
NO_INTEGER = (None, *NO_NUMBERS, 4.0, 4.5, np.nan, [1, 2], np.array([1, 2]))
NO_INDEX = (*NO_INTEGER, -1, 10**30)
NO_NUMBER = (None, *NO_NUMBERS, np.nan, -1.0, [4.0], np.array([4.0]))
NO_PATH = (None, 1, True, 4.5, object(), [1, 2])
NO_BYTES = (None, "a name", 4, 4.5, object(), [1, 2])
NO_MODEL = ("no such model", 4, object(), IMAGE)
NO_LATTICE = (None, "A3", 2, object())
NO_TABLES = ("tables.npz", 4, object(), IMAGE)
NO_FUNCTION = ("a name", 4, Y)
NO_TYPE = ("a name", "int32", int, np.float16, complex, 4, object())
NO_METHOD = ("un-q", 4, object(), [1], Y, {})
NO_CURVE = (None, *NO_NUMBERS, 4.0, [[1, 2], [3, 4]], [1, [2, 3]], ["1", "2", "3"], [1, np.nan, 3])
NO_DENSITY = ("a name", 4.0, object())
WRONG: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("y", "z", "k", "u", "lower", "upper"), NO_ARRAY),
    **dict.fromkeys(("d_k", "d_z", "d_s", "d_y", "d_r", "d_mean", "d_bits", "d_log"), NO_GRADIENT),
    **dict.fromkeys(("seed", "tensor", "first_channel", "first_row", "first_column"), NO_INDEX),
    **dict.fromkeys(("quality", "channels", "levels", "largest", "axis"), NO_INTEGER),
    **dict.fromkeys(("alpha", "step"), NO_NUMBER),
    **dict.fromkeys(CURVES, NO_CURVE),
    **dict.fromkeys(("progress", "h"), NO_FUNCTION),
    "start": (*NO_INTEGER, -1),
    "image": NO_PICTURE,
    "x": NO_PICTURE,
    "n": (*NO_ARRAY, Y, np.array([256]), np.array([-1])),
    "method": NO_METHOD,
    "model": NO_MODEL,
    "data": NO_BYTES,
    "path": NO_PATH,
    "tables": NO_TABLES,
    "lattice": NO_LATTICE,
    "device": (None, "a name", 4, object(), [1]),
    "shape": ("a name", 4.5, object(), (2, 3.0, 4), (2, -1, 4), np.array([1.0, 2.0, 3.0])),
    "dtype": NO_TYPE,
    "rng": (None, 4, "a name", object(), np.random, np.random.RandomState(0)),
    "cdf": (None, "a name", 4, object(), scipy.stats.norm()),
    "params": (None, "a name", (0.0, 1.0), object()),
    "density": NO_DENSITY,
    "means": ("a name", object(), np.nan, Y[:2], MASKED),
    "scales": ("a name", 4.5, Y),
}
"""What an argument of a name must not be, wherever it occurs."""
FREE = {
    ("make_tables", "params"): "a distribution of SciPy takes none, and does not look",
    ("make_scale_tables", "params"): "the same",
    ("make_lattice_tables", "params"): "the same",
}
FLAGS = {"name", "scales_are_shared", "embed"}  # anything is text, or true or false


def cases() -> Iterator[tuple[str, str, Any]]:
    for function, right in RIGHT.items():
        for argument in right:
            if argument in FLAGS or (function, argument) in FREE:
                continue
            for wrong in WRONG[argument]:
                yield function, argument, wrong


def test_every_function_and_argument_is_here() -> None:
    functions = {name for name in npuq.__all__ if inspect.isfunction(getattr(npuq, name))}
    assert functions - set(RIGHT) == {"check", "parametrize_with_checks"}, "see test_checks.py"
    for name, right in RIGHT.items():
        assert set(right) == set(inspect.signature(getattr(npuq, name)).parameters), name


@pytest.mark.parametrize("function", RIGHT)
def test_right_arguments_pass(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if function == "load_tables":
        npuq.save_tables("tables.npz", TABLES)
    if function == "load_lattice_tables":
        npuq.save_lattice_tables("tables.npz", LATTICE_TABLES)
    if function != "load_model":
        getattr(npuq, function)(**RIGHT[function])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function, argument, wrong", list(cases()))
def test_a_wrong_argument_is_named(function: str, argument: str, wrong: Any) -> None:
    with pytest.raises((npuq.NpuqError, TypeError, ValueError)) as caught:
        getattr(npuq, function)(**RIGHT[function] | {argument: wrong})
    said = str(caught.value)
    assert re.search(rf"\b{argument}\b", said), said
    assert len(said) < 400


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in NO_PATH:
        with pytest.raises(TypeError, match="^path must name a file"):
            npuq.save_tables(path, TABLES)
    assert not list(tmp_path.iterdir())
