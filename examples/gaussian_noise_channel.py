"""Appendix C of the paper: a picture over a channel with Gaussian noise (Eqs. 29 and 30).

    python examples/gaussian_noise_channel.py [--out gaussian_noise.png]

Coefficients of a picture (8x8 DCT of orthonormal colour components) are sent as real bytes so that
the receiver gets each of them with independent noise N(0, sigma^2): universal quantization with a
random step S, which both sides draw from the same seed. Beside it stands universal quantization
with a fixed step, whose noise is uniform and has the same variance.

Top: the picture, and what arrives through either. Bottom: the errors of the coefficients; what a
coefficient costs, beside I[Y, Z] by the same model, which Z without S would need at least; and how
much more than I[Y, Z] it costs to send a Gaussian Y.

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import scipy.stats
from scipy.special import log_ndtr

from npuq.backend import Array
from npuq.coding.arithmetic import decode_runs, encode_runs
from npuq.coding.dither import DITHER_LEVELS, dither_integers, dither_values
from npuq.coding.tables import IntegerTables, phase_table
from npuq.coding.tabulate import build_tables
from npuq.nn.scipy_cdf import from_scipy
from npuq.paper.scale_mixture import (
    mixing_scale,
    mixture_dequantize,
    mixture_quantize,
    mixture_rate_bits,
)
from npuq.paper.unimodal import GAUSSIAN
from npuq.training.dead_leaves import dead_leaves

HEIGHT, WIDTH, BLOCK = 256, 384, 8
SIGMAS = (2.0, 4.0, 8.0, 16.0, 32.0)  # grey levels
SHOWN = 16.0  # in the picture
SEED = 0
# Orthonormal: noise of one variance in all coefficients is noise of that variance in all pixels.
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
# Scales of Laplace distributions, and their quotients by the steps, are on grids of 1/8 octave.
SCALE_GRID = 2.0 ** np.arange(-4, 11, 0.125)
TABLE_GRID = 2.0 ** np.arange(-12, 10, 0.125)
# At which fraction of a unit the coder looks its tables up: v = u + 1/2
PHASES = phase_table((np.arange(DITHER_LEVELS) + 0.5) / DITHER_LEVELS)

BLUE, ORANGE, GREY = "#0b5394", "#d9590d", "#999999"


# --- coefficients -------------------------------------------------------------------------------


def analyse(image: Array) -> Array:
    """Pixels (H, W, 3) to coefficients (192, H / 8, W / 8)."""
    colours = (image - 127.5) @ COLOURS.T
    blocks = colours.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK, 3)
    y = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    return y.transpose(4, 1, 3, 0, 2).reshape(-1, HEIGHT // BLOCK, WIDTH // BLOCK)


def synthesise(y: Array) -> Array:
    """The inverse of `analyse`, as uint8."""
    blocks = y.reshape(3, BLOCK, BLOCK, HEIGHT // BLOCK, WIDTH // BLOCK).transpose(3, 1, 4, 2, 0)
    colours = scipy.fft.idctn(blocks, axes=(1, 3), norm="ortho").reshape(HEIGHT, WIDTH, 3)
    return np.rint(np.clip(colours @ COLOURS + 127.5, 0, 255)).astype(np.uint8)


def nearest_index(x: Array, grid: Array) -> Array:
    """Index of the nearest number of a grid of equal ratios."""
    log_x, log_first = np.log2(x), np.log2(grid[0])
    return np.clip(np.rint(8 * (log_x - log_first)), 0, len(grid) - 1).astype(np.int64)


# --- the channel --------------------------------------------------------------------------------


def shared_uniform(shape: tuple[int, int, int], tensor: int) -> Array:
    """Uniform numbers on (0, 1) of 32 bits, from the generator of the files' dither."""
    octets = [dither_integers(shape, seed=SEED, tensor=4 * tensor + i) for i in range(4)]
    n = sum(octet.astype(np.int64) << (8 * i) for i, octet in enumerate(octets))
    return (n + 0.5) / 2.0**32


def shared_steps(shape: tuple[int, int, int], sigma: float, noise: str) -> Array:
    """S for Gaussian noise (Eq. 29), or the step whose uniform noise has the same variance."""
    if noise == "uniform":
        return np.full(shape, math.sqrt(12) * sigma)
    return sigma * mixing_scale(shared_uniform(shape, 1), shared_uniform(shape, 2), GAUSSIAN)


class Channel(NamedTuple):
    """What sender and receiver share, and compute alike."""

    steps: Array  # S
    dither: Array  # U as a byte
    table: Array  # which of the tables codes a coefficient: by its scale over S
    order: Array  # coefficients sorted by table, as the coder wants them
    coder: tuple[Array, Array, IntegerTables]  # counts, phases, tables


def open_channel(
    scales: Array, shape: tuple[int, int, int], sigma: float, noise: str, tables: IntegerTables
) -> Channel:
    """The channel for coefficients of `shape`, given the Laplace scale of each of its rows."""
    steps = shared_steps(shape, sigma, noise)
    table = nearest_index(scales[:, None, None] / steps, TABLE_GRID).ravel()
    counts = np.bincount(table, minlength=len(TABLE_GRID))
    dither = dither_integers(shape, seed=SEED)
    return Channel(steps, dither, table, np.argsort(table, kind="stable"), (counts, PHASES, tables))


def send(y: Array, channel: Channel) -> bytes:
    """The sender of Eq. (29)."""
    k = mixture_quantize(y, dither_values(channel.dither, y.dtype), channel.steps)
    k = k.astype(np.int32).ravel()[channel.order]
    return encode_runs(k, channel.dither.ravel()[channel.order], *channel.coder)


def receive(data: bytes, channel: Channel) -> Array:
    """The receiver of Eq. (29)."""
    k = np.empty(channel.steps.size, np.int32)
    k[channel.order] = decode_runs(data, channel.dither.ravel()[channel.order], *channel.coder)
    u = dither_values(channel.dither, np.float64)
    return mixture_dequantize(k.reshape(u.shape), u, channel.steps)


def laplace_tables() -> IntegerTables:
    """A table for each scale of TABLE_GRID, in units of the step."""

    def cdf(x: Array) -> Array:
        tail = np.exp(-abs(x) / TABLE_GRID[:, None]) / 2
        return np.where(x < 0, tail, 1 - tail)

    return build_tables(cdf, [PHASES], channels=len(TABLE_GRID))


# --- what it costs ------------------------------------------------------------------------------


class Result(NamedTuple):
    """Of one use of the channel; bits are per coefficient."""

    z: Array
    coded: float  # by the bytes
    ideal: float  # -log2 P(K | U, S), by the model's own probabilities: Eq. 30


def transmit(y: Array, scales: Array, sigma: float, noise: str, tables: IntegerTables) -> Result:
    """Code, decode and measure."""
    channel = open_channel(scales, y.shape, sigma, noise, tables)
    data = send(y, channel)
    z = receive(data, open_channel(scales, y.shape, sigma, noise, tables))
    law = from_scipy(scipy.stats.laplace(scale=scales[:, None, None]))
    ideal = mixture_rate_bits(z, channel.steps, None, cdf=law).mean()
    return Result(z, 8 * (len(data) + len(scales)) / y.size, float(ideal))  # a byte per scale


def information_bits(y: Array, z: Array, scales: Array, sigma: float) -> float:
    """The mean of log2 p(z | y) / p(z) for Laplace Y and Gaussian noise: I[Y, Z] of the model."""
    b = scales[:, None, None]
    conditional = -(((z - y) / sigma) ** 2) / 2 - math.log(sigma * math.sqrt(2 * math.pi))
    sides = [sign * z / b + log_ndtr(-sign * z / sigma - sigma / b) for sign in (-1, 1)]
    marginal = sigma**2 / (2 * b**2) - np.log(2 * b) + np.logaddexp(*sides)
    return float((conditional - marginal).mean()) / math.log(2)


def gaussian_costs(ratio: float) -> tuple[float, float, float]:
    """For Gaussian Y of standard deviation `ratio` times that of the noise, by quadrature.

    Returns:
        I[Y, (Z, S)], I[Y, Z], and the cost of uniform noise of the same variance.
    """

    def with_step(s: float) -> float:  # I[Y, Y + s U']
        z = np.linspace(0, s / 2 + 9 * ratio, 4001)
        p = (
            scipy.stats.norm.sf((z - s / 2) / ratio) - scipy.stats.norm.sf((z + s / 2) / ratio)
        ) / s
        terms = np.where(p > 0, -p * np.log2(np.where(p > 0, p, 1)), 0)
        return float(2 * np.trapezoid(terms, z)) - math.log2(s)

    steps = scipy.stats.chi(3, scale=2).ppf((np.arange(100) + 0.5) / 100)
    mixture = float(np.mean([with_step(s) for s in steps]))
    return mixture, 0.5 * math.log2(1 + ratio**2), with_step(math.sqrt(12))


# --- the picture --------------------------------------------------------------------------------


def draw_errors(axes: Any, errors: dict[str, Array]) -> None:
    """Histograms of the coefficients' errors, in units of sigma."""
    edges = np.linspace(-4, 4, 81)
    x = (edges[:-1] + edges[1:]) / 2
    for (noise, error), colour in zip(errors.items(), (ORANGE, BLUE), strict=True):
        density = np.histogram(error, edges)[0] / error.size / 0.1
        axes.stairs(density, edges, color=colour, fill=True, alpha=0.25)
        axes.stairs(density, edges, color=colour, lw=1.2, label=noise)
    normal = scipy.stats.norm.pdf(x)
    axes.plot(x, normal, color="black", lw=1, ls=(0, (1, 1.5)), label=r"$N(0, \sigma^2)$")
    axes.set(xlabel=r"error of a coefficient, in $\sigma$", ylabel="density", xlim=(-4, 4))
    axes.set_ylim(0, 0.48)
    axes.legend(loc="upper right", handlelength=1.4, labelspacing=0.3, borderaxespad=0)


def draw_rates(axes: Any, rows: dict[str, list[float]]) -> None:
    """Bits per coefficient for every sigma."""
    axes.plot(SIGMAS, rows["gaussian"], "o-", color=BLUE, ms=4, label="Gaussian noise, bytes")
    axes.plot(SIGMAS, rows["uniform"], "s-", color=ORANGE, ms=4, label="uniform noise, bytes")
    axes.plot(SIGMAS, rows["information"], color="black", lw=1, ls=(0, (1, 1.5)), label="$I[Y, Z]$")
    axes.set(xscale="log", xlabel=r"$\sigma$, grey levels", ylabel="bits per coefficient")
    axes.set_ylim(0, None)
    axes.set_xticks(SIGMAS, [f"{sigma:g}" for sigma in SIGMAS])
    axes.minorticks_off()
    axes.legend(loc="upper right", handlelength=1.6, labelspacing=0.3, borderaxespad=0)


def draw_excess(axes: Any) -> None:
    """Bits above I[Y, Z] for a Gaussian source."""
    ratios = np.geomspace(0.05, 50, 25)
    mixture, information, uniform = np.transpose([gaussian_costs(ratio) for ratio in ratios])
    axes.plot(ratios, mixture - information, color=BLUE, label="$I[Y, (Z, S)] - I[Y, Z]$")
    label = "uniform noise, above $I[Y, Z]$"
    axes.plot(ratios, uniform - information, color=ORANGE, label=label)
    most = math.log2(2 * math.pi * math.e) / 2 - scipy.stats.chi(3, scale=2).expect(np.log2)
    axes.axhline(most, color=GREY, lw=1, ls=(0, (4, 3)))
    axes.text(0.055, most + 0.01, f"$I[S, SU']$ = {most:.3f}", color="0.35")
    axes.set(
        xscale="log", xlabel=r"$\sigma_Y / \sigma$, Gaussian $Y$", ylabel="bits", xlim=(0.05, 50)
    )
    axes.set_ylim(0, 0.68)
    axes.legend(loc="lower right", handlelength=1.4, labelspacing=0.3, borderaxespad=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description="A picture over a Gaussian channel.")
    parser.add_argument(
        "--out", default="gaussian_noise.png", help="file to write (default: %(default)s)"
    )
    options = parser.parse_args()

    try:
        import matplotlib
    except ImportError as error:
        print(f"this example needs matplotlib (pip install '.[cli]'): {error}", file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    image = dead_leaves(HEIGHT, WIDTH, seed=5, largest_radius=80)
    y = analyse(image)
    scales = SCALE_GRID[nearest_index(abs(y).mean(axis=(1, 2)) + 1e-9, SCALE_GRID)]
    tables = laplace_tables()
    rows: dict[str, list[float]] = {"uniform": [], "gaussian": [], "information": []}
    shown = {}
    print("bits per coefficient:")
    print("sigma  uniform: bytes   ideal   Gaussian: bytes   ideal  I[Y, Z]")
    for sigma in SIGMAS:
        uniform, gaussian = (
            transmit(y, scales, sigma, noise, tables) for noise in ("uniform", "gaussian")
        )
        information = information_bits(y, gaussian.z, scales, sigma)
        rows["uniform"].append(uniform.coded)
        rows["gaussian"].append(gaussian.coded)
        rows["information"].append(information)
        print(
            f"{sigma:5g}  {uniform.coded:14.4f}  {uniform.ideal:6.4f}  "
            f"{gaussian.coded:16.4f}  {gaussian.ideal:6.4f}  {information:7.4f}"
        )
        if sigma == SHOWN:
            shown = {"uniform": uniform, "Gaussian": gaussian}
    errors = {noise: (result.z - y).ravel() / SHOWN for noise, result in shown.items()}
    print(f"sigma {SHOWN:g}; errors of {y.size} coefficients, in sigma:")
    for noise, error in errors.items():
        distance = scipy.stats.kstest(error, scipy.stats.norm.cdf).statistic
        print(
            f"{noise:8}  variance {error.var():.4f}, kurtosis {scipy.stats.kurtosis(error):+.3f}, "
            f"correlation with y {np.corrcoef(error, y.ravel())[0, 1]:+.4f}, "
            f"Kolmogorov's distance to N(0, 1) {distance:.4f}"
        )

    style = {
        "font.size": 9,
        "mathtext.fontset": "cm",
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(
            2, 3, figsize=(11, 5.7), height_ratios=(1, 1), layout="constrained"
        )
        pictures = {"original": image}
        for noise, result in shown.items():
            title = f"{noise} noise, {3 * result.coded:.2f} bits per pixel"
            pictures[title] = synthesise(result.z)
        for axes, (title, picture) in zip(panels[0], pictures.items(), strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(title, fontsize=9)
            axes.axis("off")
        draw_errors(panels[1, 0], errors)
        draw_rates(panels[1, 1], rows)
        draw_excess(panels[1, 2])
        figure.savefig(options.out, dpi=200)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
