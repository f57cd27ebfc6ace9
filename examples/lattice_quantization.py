"""Appendix C of the paper: universal quantization with lattices (Eq. 28), and Figure 4 redrawn.

    python examples/lattice_quantization.py [--out lattices.png]

A: Figure 4. The hexagonal lattice with its Voronoi cells, a vector y, and what the receiver gets
   of it, Q(y - U) + U, for many U: points that are uniform on the cell around y.
B: the density of one coordinate of the noise, at equal variance: it tends to a Gaussian.
C: what a Gaussian source costs, in bits per dimension more than the information that it sends over
   a Gaussian channel of the same noise: by the entropy H[Q | U], and by the bytes of a real coder.
   The line is the bound for Gaussian sources, 1/2 log2(2 pi e G) (Zamir & Feder 1996).

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.coding.arithmetic import decode_runs, encode_runs
from npuq.coding.tables import TOTAL, IntegerTables, assemble_tables, phase_table
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
NUMBERS = 1 << 16  # of the source that are coded
REACH = 24  # coded integers lie within it: more than 7 standard deviations for each lattice

BLUE, ORANGE = "#0b5394", "#d9590d"


# --- an entropy coder for lattice points --------------------------------------------------------
#
# Y + U is taken to be Gaussian and white. Given u, the probability of the point q = g + b k is then
# proportional to a product of functions of one coordinate each. So the coset g is coded first, and
# after it n integers k, each with a table of its own. The tables come from floats here, so that
# both ends have to be one machine; the codec of npuq has integer tables for that reason.


def tables_of(probabilities: Array) -> IntegerTables:
    """One table for each row (C, m) of probabilities of the symbols 0 .. m - 1."""
    count, m = probabilities.shape
    cumulative = np.cumsum(probabilities, axis=1) * (TOTAL - 3 - m)
    knots = np.zeros((count, m + 2), np.int64)
    knots[:, 1 : m + 1] = cumulative
    knots += 1 + np.arange(m + 2)
    knots[:, -1] = knots[:, -2] + 1
    zeros = np.zeros(count, np.int64)
    return assemble_tables(knots.ravel(), zeros, zeros + m - 1, zeros)


def no_dither(count: int) -> tuple[Array, Array, Array]:
    """Dither, counts and phases with which the coder codes one symbol for each table."""
    return np.zeros(count, np.uint8), np.ones(count, np.int64), phase_table(np.zeros(256))


def encode_symbols(symbols: Array, probabilities: Array) -> bytes:
    """(C,) symbols, each by the row of (C, m) probabilities that belongs to it."""
    return encode_runs(symbols, *no_dither(symbols.size), tables_of(probabilities))


def decode_symbols(data: bytes, probabilities: Array) -> Array:
    """The inverse of `encode_symbols`."""
    return decode_runs(data, *no_dither(len(probabilities)), tables_of(probabilities))


def weights(x: Array, box: Array, sigma: float) -> Array:
    """exp(-(x + b k)^2 / (2 sigma^2)), k = -REACH .. REACH: (..., n) -> (..., n, 2 REACH + 1)."""
    k = np.arange(-REACH, REACH + 1)
    return np.exp(-(((x[..., None] + box[:, None] * k) / sigma) ** 2) / 2)


def coset_probabilities(u: Array, lattice: Lattice, sigma: float) -> Array:
    """P(coset | U = u), (N, m); `sigma` is the standard deviation of a coordinate of Y + U."""
    sums = [weights(g + u, lattice.box, sigma).sum(axis=-1).prod(axis=-1) for g in lattice.glue]
    p = np.stack(sums, axis=1)
    return p / p.sum(axis=1, keepdims=True)


def step_probabilities(coset: Array, u: Array, lattice: Lattice, sigma: float) -> Array:
    """P(k + REACH | coset, U = u), (N n, 2 REACH + 1)."""
    p = weights(lattice.glue[coset] + u, lattice.box, sigma)
    return (p / p.sum(axis=-1, keepdims=True)).reshape(-1, 2 * REACH + 1)


def encode_points(q: Array, u: Array, lattice: Lattice, sigma: float) -> tuple[bytes, bytes]:
    """Lattice points (N, n), given the dither, as two streams: cosets, and integers in them."""
    k = (q[:, None] - lattice.glue) / lattice.box  # (N, m, n), integers for one of the cosets
    coset = abs(k - np.rint(k)).sum(axis=2).argmin(axis=1)
    k = np.rint(k[np.arange(len(q)), coset]).astype(np.int64)
    cosets = encode_symbols(coset, coset_probabilities(u, lattice, sigma))
    steps = step_probabilities(coset, u, lattice, sigma)
    return cosets, encode_symbols(k.ravel() + REACH, steps)


def decode_points(data: tuple[bytes, bytes], u: Array, lattice: Lattice, sigma: float) -> Array:
    """The inverse of `encode_points`."""
    coset = decode_symbols(data[0], coset_probabilities(u, lattice, sigma))
    k = decode_symbols(data[1], step_probabilities(coset, u, lattice, sigma)) - REACH
    return lattice.glue[coset] + lattice.box * k.reshape(u.shape)


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

    y = rng.normal(0, sigma, (NUMBERS // n, n))
    y *= sigma / y.std()  # so that chance has little part in the number of bytes
    u = voronoi_noise(rng, (len(y),), lattice)
    q = lattice_quantize(y, u, lattice)
    z = universal_dequantize(q, u)

    # The mean of -log2(V p(z)) is known for Gaussian p; so only the difference is sampled.
    sigma_z = math.sqrt(sigma**2 + variance)
    norm = n / 2 * math.log2(2 * math.pi * sigma_z**2) - math.log2(lattice.volume)
    some = z[:: max(1, len(z) // 2000)]
    gaussian_bits = norm + (some**2).sum(axis=1) / (2 * sigma_z**2 * math.log(2))
    bits = lattice_rate_bits(some, log_density, lattice, noise[:4000])
    entropy = (bits - gaussian_bits).mean() + norm + n / 2 * math.log2(math.e)

    coded = None
    if lattice.glue is not None:
        files = encode_points(q, u, lattice, sigma_z)
        assert np.allclose(decode_points(files, u, lattice, sigma_z), q, rtol=0, atol=1e-9)
        coded = 8 * sum(map(len, files)) / q.size
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
    style = {
        "font.size": 9,
        "mathtext.fontset": "cm",
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
        draw_figure_4(panels[0], rng)
        draw_densities(panels[1], results)
        draw_costs(panels[2], results)
        for axes, letter in zip(panels, "ABC", strict=True):
            axes.set_title(letter, loc="left", fontweight="bold")
        figure.savefig(options.out, dpi=200)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
