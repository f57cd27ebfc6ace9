"""Appendix C of the paper: universal quantization with lattices (Eq. 28), and Figure 4 redrawn.

    python examples/lattice_quantization.py [--out lattices.png]

A: Figure 4. The hexagonal lattice with its Voronoi cells, a vector y, and what the receiver gets
   of it, Q(y - U) + U, for many U: points that are uniform on the cell around y.
B: the density of one coordinate of the noise, at equal variance: it tends to a Gaussian.
C: what a Gaussian source costs, in bits per dimension more than the information that it sends over
   a Gaussian channel of the same noise: by the entropy H[Q | U], and by the bytes of a real coder.
   The line is the bound for Gaussian sources, 1/2 log2(2 pi e G) (Zamir & Feder 1996).
D: how many bits fewer than by integers, universal quantization, a file has at equal error, from low
   rates to high ones; dashed, 1/2 log2(G_Z / G).

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

import npuq
from npuq.backend import Array
from npuq.paper.channel import universal_dequantize
from npuq.paper.lattice_quantization import (
    gaussian_divergence_bits,
    lattice_quantize,
    lattice_rate_bits,
    normalized_second_moment,
    voronoi_noise,
)
from npuq.paper.lattices import D4, E8, HEXAGONAL, Lattice, integer_lattice
from npuq.paper.leech import LEECH

# Conway & Sloane 1982; the Leech lattice: Dutour Sikiric, Schuermann & Vallentin 2009.
PUBLISHED = {"Z^1": 1 / 12, "A2": 0.0801875, "D4": 0.0766032, "E8": 0.0716821, "Leech": 0.0657709}
LATTICES = (integer_lattice(1), HEXAGONAL, D4, E8, LEECH)
SYMBOLS = {"Z^1": "$Z$", "A2": "$A_2$", "D4": "$D_4$", "E8": "$E_8$", "Leech": r"$\Lambda_{24}$"}
SNR = 100.0  # variance of the source over that of the noise
NUMBERS = 1 << 20  # of the source that are coded
CODED = ("Z", "A2", "D4", "E8")
SCALES = (0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0)  # standard deviations of the source, in steps

BLUE, ORANGE = "#0b5394", "#d9590d"


# --- bytes --------------------------------------------------------------------------------------


def code(y: Array, sigma: float, lattice: str, step: float) -> tuple[float, float]:
    """Bits for each number of a Gaussian source, in a file, and 12 times the squared error of it.

    The error is step^2 / 12 for each lattice. Both ends have the tables, integers that were made
    once, and a decoder computes no float on its way to the lattice points (`npuq.latents`).
    """
    tables = npuq.make_lattice_tables(scipy.stats.norm(scale=sigma), lattice=lattice, step=step)
    data = npuq.encode_vectors(y, tables)
    decoded, _ = npuq.decode_vectors(data, tables)
    return 8 * len(data) / y.size, 12 * float(((decoded - y) ** 2).mean())


def saved_bits(rng: np.random.Generator) -> dict[str, list[tuple[float, float]]]:
    """For each lattice that is coded, (rate of Z, bits less) at several scales and equal error."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CODED}
    print(f"\nGaussian source, {NUMBERS} numbers; bits for each in real bytes, and (error, Z = 1):")
    print("sigma / step" + "".join(f"{name:>18}" for name in CODED) + "    I[Y, Y + N]")
    for scale in SCALES:
        y = gaussian(rng, scale, (NUMBERS // 8, 8))
        coded = {name: code(y, scale, name, 1.0) for name in CODED}
        for name, (bits, _) in coded.items():
            found[name].append((coded["Z"][0], coded["Z"][0] - bits))
        columns = "".join(f"{bits:10.4f} ({error:.3f})" for bits, error in coded.values())
        print(f"{scale:12g}{columns}{0.5 * math.log2(1 + 12 * scale**2):15.4f}")
    return found


def gaussian(rng: np.random.Generator, sigma: float, shape: tuple[int, ...]) -> Array:
    """Numbers of just that spread, so that chance has little part in how many bytes they take."""
    y = rng.normal(0, sigma, shape)
    return y * (sigma / y.std())


# --- figures ------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Of one lattice; bits are per dimension."""

    second_moment: float
    coordinate: Array  # samples of the noise, over their standard deviation
    entropy: float  # H[Q | U]
    coded: float | None  # by the files


def measure(lattice: Lattice, rng: np.random.Generator) -> Measured:
    """Send a white Gaussian source through the lattice."""
    n = lattice.box.size
    noise = voronoi_noise(rng, (8_000 if lattice is LEECH else 1_000_000 // n,), lattice)
    moment = normalized_second_moment(noise, lattice.volume)
    variance = PUBLISHED[lattice.name] * lattice.volume ** (2 / n)  # exact, unlike the samples'
    sigma = math.sqrt(SNR * variance)

    def log_density(y: Array) -> Array:
        return -((y / sigma) ** 2).sum(axis=-1) / 2 - n * math.log(sigma * math.sqrt(2 * math.pi))

    y = gaussian(rng, sigma, (2000, n))
    u = voronoi_noise(rng, (len(y),), lattice)
    z = universal_dequantize(lattice_quantize(y, u, lattice), u)

    # The mean of -log2(V p(z)) is known for Gaussian p; so only the difference is sampled.
    sigma_z = math.sqrt(sigma**2 + variance)
    norm = n / 2 * math.log2(2 * math.pi * sigma_z**2) - math.log2(lattice.volume)
    gaussian_bits = norm + (z**2).sum(axis=1) / (2 * sigma_z**2 * math.log(2))
    bits = lattice_rate_bits(z, log_density, lattice, noise[:4000])
    entropy = (bits - gaussian_bits).mean() + norm + n / 2 * math.log2(math.e)

    coded, one = None, lattice.name.removesuffix("^1")
    if one in CODED:
        y = gaussian(rng, sigma, (NUMBERS // n, n))
        coded, _ = code(y, sigma, one, math.sqrt(12 * variance))
    coordinate = noise.ravel() / math.sqrt(variance)
    return Measured(moment, coordinate, entropy / n, coded)


def draw_figure_4(axes: Any, rng: np.random.Generator) -> None:
    """Panel A."""
    from matplotlib.collections import PolyCollection

    row, column = np.mgrid[-3:4, -5:6].reshape(2, -1, 1)
    points = column * np.array([1, 0]) + (row % 2) * np.array([0.5, 0]) + row * [0, math.sqrt(0.75)]
    angles = np.pi / 6 + np.arange(6) * np.pi / 3
    hexagon = np.stack([np.cos(angles), np.sin(angles)], axis=1) / math.sqrt(3)
    y = np.array([0.27, 0.36])
    u = voronoi_noise(rng, (700,), HEXAGONAL)
    z = universal_dequantize(lattice_quantize(np.broadcast_to(y, u.shape), u, HEXAGONAL), u)
    cells = PolyCollection(points[:, None] + hexagon, facecolor="none", edgecolor="0.35", lw=0.8)
    axes.add_collection(cells)
    axes.scatter(*z.T, s=4, color=ORANGE, lw=0, label="$Q(y - U) + U$")
    axes.scatter(*points.T, s=18, color=BLUE, zorder=3, label="lattice")
    axes.scatter(*y, s=26, color="black", zorder=4, label="$y$")
    axes.set(xlim=(-1.2, 1.75), ylim=(-1.12, 1.83), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, handletextpad=0.1)


def draw_densities(axes: Any, results: dict[str, Measured]) -> None:
    """Panel B."""
    from matplotlib import colormaps

    edges = np.linspace(-3, 3, 61)
    x = (edges[:-1] + edges[1:]) / 2
    colours = colormaps["viridis"](np.linspace(0.92, 0.15, len(results)))
    for (name, result), colour in zip(results.items(), colours, strict=True):
        density = np.histogram(result.coordinate, edges)[0] / result.coordinate.size / 0.1
        style = {"drawstyle": "steps-mid"} if name == "Z^1" else {}
        axes.plot(x, density, color=colour, lw=1.5, label=SYMBOLS[name], **style)
    gaussian = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    axes.plot(x, gaussian, color="black", lw=1, ls=(0, (1, 1.5)), label="Gaussian")
    axes.set(xlabel="a coordinate of $U$, in standard deviations", ylabel="density", xlim=(-3, 3))
    axes.set_ylim(0, 0.46)
    axes.legend(loc="upper right", handlelength=1.4, labelspacing=0.25, borderaxespad=0)


def draw_costs(axes: Any, results: dict[str, Measured]) -> None:
    """Panel C."""
    n = np.array([lattice.box.size for lattice in LATTICES])
    channel = 0.5 * math.log2(1 + SNR)
    bound = [gaussian_divergence_bits(PUBLISHED[name]) for name in results]
    entropy = [result.entropy - channel for result in results.values()]
    coded = [(m, r.coded - channel) for m, r in zip(n, results.values(), strict=True) if r.coded]
    axes.axhline(0, color="black", lw=1, ls=(0, (1, 1.5)))
    axes.text(1, 0.006, "Gaussian noise", color="0.35")
    axes.plot(n, bound, color="0.6", lw=1, zorder=1, label=r"$\frac{1}{2}\log_2 2 \pi e G$")
    axes.plot(n, entropy, "o", color=BLUE, ms=5, mfc="white", label="$H[Q \\mid U]$")
    axes.plot(*zip(*coded, strict=True), "x", color=ORANGE, ms=5, mew=1.6, label="coded bytes")
    for x, y, name in zip(n, bound, results, strict=True):
        axes.annotate(SYMBOLS[name], (x, y), (0, -15), textcoords="offset points", ha="center")
    axes.set(xscale="log", xlabel="dimensions", ylabel="bits per dimension above the channel")
    axes.set(xlim=(0.8, 32), ylim=(-0.015, 0.3))
    axes.set_xticks(n, n)
    axes.minorticks_off()
    axes.legend(loc="upper right", handlelength=1.4, labelspacing=0.3, borderaxespad=0)


def draw_savings(axes: Any, found: dict[str, list[tuple[float, float]]]) -> None:
    """Panel D."""
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.92, 0.15, 5))[1:4]
    for (name, points), colour in zip(list(found.items())[1:], colours, strict=True):
        rates, bits = np.array(points).T
        axes.plot(rates, bits, "o-", color=colour, ms=4, lw=1.3, label=SYMBOLS[name])
        limit = 0.5 * math.log2(PUBLISHED["Z^1"] / PUBLISHED[name])
        axes.axhline(limit, color=colour, lw=0.8, ls=(0, (4, 3)))
    axes.set(xscale="log", xlabel="bits per coefficient by integers", ylabel="bits saved")
    axes.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
    axes.minorticks_off()
    axes.set_ylim(-0.01, 0.125)
    axes.legend(loc="lower right", handlelength=1.4, labelspacing=0.3, borderaxespad=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Universal quantization with lattices.")
    parser.add_argument(
        "--out", default="lattices.png", help="file to write (default: %(default)s)"
    )
    options = parser.parse_args()

    try:
        import matplotlib
    except ImportError as error:
        print(f"this example needs matplotlib (pip install '.[cli]'): {error}", file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rng = np.random.default_rng(0)
    results = {lattice.name: measure(lattice, rng) for lattice in LATTICES}
    channel = 0.5 * math.log2(1 + SNR)
    print(f"Gaussian source, {10 * math.log10(SNR):g} dB above the noise; bits per dimension:")
    print("          n      G   published  kurtosis  divergence  H[Q|U]   coded   less channel")
    for lattice, (name, result) in zip(LATTICES, results.items(), strict=True):
        kurtosis = (result.coordinate**4).mean() / (result.coordinate**2).mean() ** 2 - 3
        coded = "     -" if result.coded is None else f"{result.coded:6.4f}"
        print(
            f"{name:8}{lattice.box.size:3}  {result.second_moment:.5f}  {PUBLISHED[name]:.5f}  "
            f"{kurtosis:8.3f}  {gaussian_divergence_bits(result.second_moment):10.4f}  "
            f"{result.entropy:6.3f}  {coded}  {result.entropy - channel:8.3f}"
        )
    savings = saved_bits(rng)
    style = {
        "font.size": 9,
        "mathtext.fontset": "cm",
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(1, 4, figsize=(14, 3.5), layout="constrained")
        draw_figure_4(panels[0], rng)
        draw_densities(panels[1], results)
        draw_costs(panels[2], results)
        draw_savings(panels[3], savings)
        for axes, letter in zip(panels, "ABCD", strict=True):
            axes.set_title(letter, loc="left", fontweight="bold")
        figure.savefig(options.out, dpi=200)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
