"""The coders of the examples: what is decoded, and how many bytes it takes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from programs import module_at

from npuq.evaluation.metrics import mse

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> Any:
    return module_at(EXAMPLES / f"{name}.py")


lattice_example = load("lattice_quantization")
gaussian_example = load("gaussian_noise_channel")
reverse_example = load("reverse_channel_coding")
older_example = load("older_quantizers")


def test_lattices_save_what_their_second_moments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100,000 numbers, 20 dB above the noise, within the chance of two dithers."""
    y = lattice_example.gaussian(np.random.default_rng(0), 3.0, (12_500, 8))
    assert y.std() == pytest.approx(3)
    coded = {name: lattice_example.code(y, 3.0, name, 1.0) for name in lattice_example.CODED}
    for name, (bits, error) in coded.items():
        assert error == pytest.approx(1, abs=0.02)
        limit = 0.5 * math.log2(
            lattice_example.PUBLISHED["Z^1"]
            / lattice_example.PUBLISHED["Z^1" if name == "Z" else name]
        )
        assert coded["Z"][0] - bits == pytest.approx(limit, abs=0.008)
    monkeypatch.setattr(lattice_example, "NUMBERS", 8000)
    monkeypatch.setattr(lattice_example, "SCALES", (0.5, 3.0))
    saved = lattice_example.saved_bits(np.random.default_rng(1))
    assert saved["Z"][0][1] == 0 and saved["E8"][1][1] > 0.07


def test_gaussian_channel_delivers_gaussian_noise_for_the_bits_of_equation_30() -> None:
    """Seeded; a correct channel fails this with probability 1e-6."""
    scales, shape = np.array([0.3, 5.0, 60.0]), (3, 40, 50)
    y = np.random.default_rng(0).laplace(0, scales[:, None, None], shape)
    tables = gaussian_example.laplace_tables()
    result = gaussian_example.transmit(y, scales, 4.0, "gaussian", tables)
    error = (result.z - y).ravel() / 4.0
    assert scipy.stats.kstest(error, scipy.stats.norm.cdf).pvalue > 1e-6
    side_information = 8 * len(scales) / y.size
    assert result.coded - side_information == pytest.approx(result.ideal, rel=0.005)
    assert gaussian_example.information_bits(y, result.z, scales, 4.0) < result.ideal
    uniform = gaussian_example.transmit(y, scales, 4.0, "uniform", tables)
    assert abs(uniform.z - y).max() <= math.sqrt(3) * 4 + 1e-9
    assert uniform.coded < result.coded


def test_gaussians_cost_linear_methods_few_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 bits; what hybrid coding does not quantize is that of 8 standard deviations, 1 bit."""
    monkeypatch.setattr(reverse_example, "GAUSSIAN_MESSAGES", 200)
    costs, ratio = reverse_example.gaussian_costs(2.0**-8)
    nodes = {cost.method: cost.examined.mean() for cost in costs}
    assert ratio == pytest.approx(math.exp(0.5) * 2**8, rel=1e-3)
    for method in ("rejection sampling", "Poisson functional representation"):
        assert 0.6 * ratio < nodes[method] < 1.4 * ratio
    assert nodes["A* coding"] < 15 and nodes["greedy Poisson rejection"] < 15
    assert nodes["hybrid coding"] < 4.5
    for cost in costs:
        assert 8 < reverse_example.own_bits(cost, ratio, 1) < 8 + math.log2(9) + 4
    assert 8.3 < reverse_example.least_gaussian_bits(2.0**-8) < 8.7


def test_pictures_are_their_coefficients() -> None:
    shape = (gaussian_example.HEIGHT, gaussian_example.WIDTH, 3)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    y = gaussian_example.analyse(image)
    assert (y**2).sum() == pytest.approx(((image - 127.5) ** 2).sum())
    np.testing.assert_array_equal(gaussian_example.synthesise(y), image)


def test_two_of_four_quantizers_send_a_picture_for_nothing() -> None:
    shape = (older_example.HEIGHT, older_example.WIDTH, 3)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for quantizer in older_example.QUANTIZERS:
        bpp, arrived = older_example.send(image, 0.01, quantizer)
        assert 0 <= bpp < 0.05
        leaks = quantizer in ("soft rounding, no noise", "shared noise")
        assert np.array_equal(arrived, image) == leaks
        assert leaks or mse(image, arrived) > 0.9 * image.var()


def test_dithered_pixels_of_the_example_are_right_on_average() -> None:
    original = older_example.ball()
    errors = {
        name: ((older_example.means(arrived - original)) ** 2).mean()
        for name, arrived in older_example.pixels(original).items()
    }
    assert errors["Roberts"] < errors["stochastic rounding"] < 0.1 * errors["rounded"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_in_a_line_what_it_needs(path: Path, tmp_path: Path) -> None:
    """Before it computes anything: each of these would take many seconds, or write a figure."""
    modules = {
        name for name in ("torch", "jax", "matplotlib") if f"import {name}" in path.read_text()
    }
    if not modules:
        return
    code = (
        "import runpy, sys\n"
        f"sys.modules |= dict.fromkeys({sorted(modules)})\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("this example needs ") and "pip install" in done.stderr
