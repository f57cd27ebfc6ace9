"""What it costs to communicate a sample: Sections 2 and 3 and Lemma 1 of the paper, measured.

    python examples/reverse_channel_coding.py [--out reverse_channel_coding.png]

Three targets, the first two with uniform proposals:

* the uniform noise channel (Eq. 4), a box of width 1 in D dimensions inside of one of width 15: the
  information is D log2 15 bits, and there is universal quantization (Eq. 5);
* restricted Boltzmann machines (Eq. 26) with more and more units, as in the proof of Lemma 1;
* Gaussians N(1, s^2) beside a proposal N(0, 1), for smaller and smaller s: q/p has one peak, and
  methods later than the paper take linear time, A* coding and greedy Poisson rejection (their code
  is that of the way to a node, and Zipf's of its length), or leave most of the work to universal
  quantization, as hybrid coding does (fixed code for k, Zipf's for n). The dotted line is the lower
  bound by functional information, for the channel N(x, s^2), x from N(0, 1 - s^2).

Every method sends messages with shared candidates. Exact ones send a sample of the target; random
coding gets as many candidates as bring it within 1/12 of it in total variation, as in the lemma.
Drawn are the candidates that the sender examined, its CPU time, and the bits beyond the information
under the method's own code: Zipf's for the Poisson functional representation, ordered random coding
and greedy rejection; a geometric one for rejection sampling; log2 N for minimal random coding.

The table of the uniform channel has, for each method: how many candidates to expect, and how many
there were; the entropy of the index, and the measured mean of -log2 of its law, unless that is
uniform (for universal quantization, under the model p); the mean length of a real code, Elias's
delta or one of fixed length; milliseconds of CPU time a message. Errors are standard errors. The
likelihood encoder is minimal random coding in another notation.

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from npuq.coding.shared_uniforms import shared_uniforms
from npuq.paper.blocks import send_blocks
from npuq.paper.boltzmann import BoltzmannMachine, divergence_from_uniform_bits, probabilities
from npuq.paper.candidates import shared_candidates, shared_dithers
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.functional_information import levels_divergence_bits
from npuq.paper.hybrid_coding import hybrid_coding
from npuq.paper.index_codes import (
    elias_delta,
    fixed_length_bits,
    geometric_bits,
    geometric_entropy_bits,
    zipf_bits,
)
from npuq.paper.peaked_ratio import PeakedRatio, gaussian_ratio
from npuq.paper.poisson_functional import (
    ordered_random_coding,
    poisson_functional_bound_bits,
    poisson_functional_representation,
)
from npuq.paper.random_coding import minimal_random_coding
from npuq.paper.rejection import greedy_rejection, rejection_sampling
from npuq.paper.reverse_channel import Candidates, LogDensity, Message, total_variation
from npuq.paper.search_tree import levels, shared_tree, way_bits
from npuq.paper.tree_search import a_star_coding, greedy_poisson_rejection

WIDTH = 15
MESSAGES = {1: 1000, 2: 1000, 3: 1000, 4: 400}  # by dimension
UNITS = (2, 4, 6, 8, 10, 12)
MACHINE_MESSAGES = 200
SCALES = [2.0**-i for i in (1, 2, 4, 6, 8, 10, 12)]
GAUSSIAN_MESSAGES = 300
WIDEST = 4.0  # standard deviations on either side that hybrid coding's box holds
DISTANCE = 1 / 12  # in total variation, of Lemma 1

REJECTION, GREEDY = "rejection sampling", "greedy rejection"
POISSON, ORDERED = "Poisson functional representation", "ordered random coding"
MINIMAL, BLOCKS = "minimal random coding", "Poisson, one block per dimension"
UNIVERSAL = "universal quantization"
A_STAR, GREEDY_POISSON = "A* coding", "greedy Poisson rejection"
HYBRID = "hybrid coding"

STYLES = {  # colour, marker, its size
    REJECTION: ("#7f7f7f", "s", 9),
    GREEDY: ("#a6611a", "v", 5),
    POISSON: ("#0b5394", "o", 7),
    ORDERED: ("#56b4e9", "^", 5),
    MINIMAL: ("#cc79a7", "D", 5),
    BLOCKS: ("#009e73", "P", 6),
    UNIVERSAL: ("#d9590d", "*", 9),
    A_STAR: ("#b2182b", "<", 6),
    GREEDY_POISSON: ("#e6b800", ">", 5),
    HYBRID: ("#5e3c99", "X", 6),
}

Send = Callable[[Any, Any], Message]


class Cost(NamedTuple):
    """Of a method: of each message candidates and index, (messages, ...), and seconds for one."""

    method: str
    information: float  # KL, bits
    examined: Any
    n: Any
    seconds: float
    bits: Any = None  # of each message, where n alone does not say


def measure(method: str, information: float, send: Send, problems: list[Any]) -> Cost:
    """Send one message for each problem (log_q, candidates)."""
    send(*problems[0])  # so that nothing is compiled while the clock runs
    start = time.process_time()
    sent = [send(*problem) for problem in problems]
    seconds = (time.process_time() - start) / len(problems)
    n, examined = (np.array([getattr(m, what) for m in sent]) for what in ("n", "examined"))
    return Cost(method, information, examined, n, seconds)


def own_bits(cost: Cost, largest_ratio: float, count: int) -> float:
    """Mean bits of a message under the code of its method."""
    if cost.bits is not None:
        return float(cost.bits.mean())
    if cost.method == MINIMAL:
        return math.log2(count)
    if cost.method == UNIVERSAL:
        return cost.information
    if cost.method == REJECTION:
        return float(geometric_bits(cost.n + 1, 1 / largest_ratio).mean())
    n = cost.n.reshape(len(cost.n), -1)  # of each block
    return float(zipf_bits(n + 1, cost.information / n.shape[1]).sum(axis=1).mean())


def general_costs(information: float, most: float, count: int, problems: list[Any]) -> list[Cost]:
    """The methods that know a bound of log q/p, `most`, or a number of candidates."""
    methods: dict[str, Send] = {
        REJECTION: lambda q, c: rejection_sampling(q, c, log_ratio_max=most),
        POISSON: lambda q, c: poisson_functional_representation(q, c, log_ratio_max=most),
        ORDERED: lambda q, c: ordered_random_coding(q, c, count=count, log_ratio_max=most),
    }
    costs = [measure(name, information, send, problems) for name, send in methods.items()]

    def minimal(q: LogDensity, c: Candidates) -> Message:
        return minimal_random_coding(q, c, count=count)

    return [*costs, measure(MINIMAL, information, minimal, problems[:100])]


# --- the uniform noise channel ------------------------------------------------------------------


def box(y: Any, message: int) -> tuple[LogDensity, Candidates]:
    """The uniform channel's target for y, and candidates on [0, 15)^D."""
    log_p = -y.size * math.log(WIDTH)

    def log_q(z: Any) -> Any:
        return np.where((abs(z - y) <= 0.5).all(axis=1), 0.0, -math.inf)

    candidates = shared_candidates(
        lambda u: WIDTH * u, lambda z: np.full(len(z), log_p), y.size, seed=1, message=message
    )
    return log_q, candidates


def count_for_box(dimensions: int) -> int:
    """Random coding misses the box if all N candidates do: D_TV = (1 - 15^-D)^N."""
    return math.ceil(math.log(DISTANCE) / math.log1p(-(float(WIDTH) ** -dimensions)))


def uniform_channel_costs(dimensions: int) -> list[Cost]:
    """All methods in D dimensions."""
    y = coefficients(MESSAGES[dimensions], dimensions)
    problems = [box(row, m) for m, row in enumerate(y)]
    information, most = dimensions * math.log2(WIDTH), dimensions * math.log(WIDTH)
    costs = general_costs(information, most, count_for_box(dimensions), problems)
    return [*costs, in_blocks(y), universal(y)]


def coefficients(messages: int, dimensions: int) -> Any:
    """y far enough from the ends that all of y + U is in [0, 15)."""
    rng = np.random.default_rng(dimensions)
    return rng.uniform(0.5, WIDTH - 0.5, (messages, dimensions))


def in_blocks(y: Any) -> Cost:
    """Each dimension by itself, with the Poisson functional representation."""
    messages, dimensions = y.shape

    def send(q: LogDensity, c: Candidates) -> Message:
        return poisson_functional_representation(q, c, log_ratio_max=math.log(WIDTH))

    problems = [
        [box(y[m, [d]], dimensions * m + d) for d in range(dimensions)] for m in range(messages)
    ]
    start = time.process_time()
    sent = [send_blocks(send, *zip(*problem, strict=True)) for problem in problems]
    seconds = (time.process_time() - start) / messages
    n = np.array([[message.n for message in blocks] for blocks in sent])
    examined = np.array([sum(message.examined for message in blocks) for blocks in sent])
    return Cost(BLOCKS, dimensions * math.log2(WIDTH), examined, n, seconds)


def universal(y: Any) -> Cost:
    """Universal quantization: k is one of 15 integers, P(k | u) = p(k + u) = 1/15 (Sec. 3.2)."""
    messages, dimensions = y.shape
    k, z = np.empty_like(y), np.empty_like(y)
    start = time.process_time()
    for m in range(messages):
        u = shared_uniforms(0, 1, dimensions, seed=1, stream=m)[0] - 0.5
        k[m] = universal_quantize(y[m], u)
        z[m] = universal_dequantize(k[m], u)
    seconds = (time.process_time() - start) / messages
    assert np.all((abs(z - y) <= 0.5) & (z >= 0) & (z < WIDTH))
    return Cost(UNIVERSAL, dimensions * math.log2(WIDTH), np.ones(messages), k, seconds)


# --- restricted Boltzmann machines --------------------------------------------------------------


def machine_law(units: int) -> Any:
    """q of Eq. 26, as probabilities of 2^M states; normal parameters of standard deviation 2.

    Each machine is a part of the next larger one, and all of one with 14 units.
    """
    rng = np.random.default_rng(2)
    A, a, b = (rng.normal(0, 2, shape) for shape in ((14, 14), (14,), (14,)))
    return probabilities(BoltzmannMachine(A[:units, :units], a[:units], b[:units]))


def count_for_machine(q: Any) -> int:
    """The first power of two for which random coding comes near enough.

    The law of its z is q(z) N E[1 / (w(z) + S)], w = q/p and S the sum of N - 1 weights of
    candidates; the expectation is taken over 1000 sets of them.
    """
    rng, p, count = np.random.default_rng(5), np.full(q.size, 1 / q.size), 1
    while True:
        sums = rng.multinomial(count - 1, p, size=1000) @ (q / p)
        law = q * count * (1 / (q / p + sums[:, None])).mean(axis=0)
        if total_variation(law, q) <= DISTANCE:
            return count
        count *= 2


def machine_costs(q: Any, count: int) -> list[Cost]:
    """All methods for one machine."""
    information, p = divergence_from_uniform_bits(q), np.full(q.size, 1 / q.size)
    log_q, log_p = np.log(q), np.log(p)

    def candidates(message: int) -> Candidates:
        def quantile(u: Any) -> Any:
            return (u[:, 0] * q.size).astype(int)

        return shared_candidates(quantile, log_p.__getitem__, 1, seed=2, message=message)

    problems = [(log_q.__getitem__, candidates(m)) for m in range(MACHINE_MESSAGES)]
    costs = general_costs(information, math.log((q / p).max()), count, problems)

    def greedy(_: LogDensity, c: Candidates) -> Message:
        return greedy_rejection(q, p, c)

    return [*costs, measure(GREEDY, information, greedy, problems)]


Group = tuple[list[Cost], float, int]  # costs, max q/p, candidates of random coding


# --- Gaussians ----------------------------------------------------------------------------------


def gaussian_costs(scale: float) -> tuple[list[Cost], float]:
    """Five methods for N(1, scale^2) beside N(0, 1), and max q/p."""
    ratio = gaussian_ratio(1.0, scale)
    information = -math.log2(scale) + scale**2 / (2 * math.log(2))

    def candidates(message: int) -> Candidates:
        return shared_candidates(lambda u: ndtri(u[:, 0]), norm.logpdf, 1, seed=3, message=message)

    problems = [
        (norm(1.0, scale).logpdf, candidates(message)) for message in range(GAUSSIAN_MESSAGES)
    ]
    most = ratio.log_max
    methods: dict[str, Send] = {
        REJECTION: lambda q, c: rejection_sampling(q, c, log_ratio_max=most),
        POISSON: lambda q, c: poisson_functional_representation(q, c, log_ratio_max=most),
    }
    costs = [measure(name, information, send, problems) for name, send in methods.items()]
    trees = [
        (ratio, shared_tree(lambda v: float(ndtri(v)), seed=4, message=message))
        for message in range(GAUSSIAN_MESSAGES)
    ]
    for name, search in ((A_STAR, a_star_coding), (GREEDY_POISSON, greedy_poisson_rejection)):
        cost = measure(name, information, search, trees)
        ways = [way_bits(n, tree) for n, (_, tree) in zip(cost.n.tolist(), trees, strict=True)]
        depth = np.array([levels(n) for n in cost.n.tolist()])
        bits = np.array(ways) + zipf_bits(depth, math.log2(information + 1))
        costs.append(cost._replace(bits=bits))
    return [*costs, gaussian_by_hybrid(scale, ratio, information)], math.exp(most)


def gaussian_by_hybrid(scale: float, ratio: PeakedRatio, information: float) -> Cost:
    """v = M c(z) is uniform on [0, M); M is as large as the box of width 1 still holds q.

    What q has beyond four standard deviations, 6e-5, is cut off.
    """
    low, high = ndtr(1 - WIDEST * scale), ndtr(1 + WIDEST * scale)
    width = math.floor(1 / (high - low))

    def log_q(v: Any) -> Any:
        inside = (v[:, 0] > 0) & (v[:, 0] < width)
        z = ndtri(np.where(inside, v[:, 0] / width, 0.5))
        return np.where(inside, ratio.log_ratio(z) - math.log(width), -math.inf)

    def send(center: Any, dithers: Candidates) -> Message:
        most = ratio.log_max - math.log(width)
        sent = hybrid_coding(log_q, center, dithers, log_ratio_max=most)
        return Message(sent.n, sent.examined)

    center = np.array([width * (low + high) / 2])
    problems = [(center, shared_dithers(1, seed=5, message=m)) for m in range(GAUSSIAN_MESSAGES)]
    cost = measure(HYBRID, information, send, problems)
    rest = max(information - math.log2(width), 0.0)
    return cost._replace(bits=math.log2(width) + zipf_bits(cost.n + 1, rest))


def least_gaussian_bits(scale: float) -> float:
    """The lower bound on H[Z | U], of Z = X + N(0, scale^2) with variance 1.

    By symmetry it is the mean over z of the divergence of N(r z, scale^2) from N(0, 1), r^2 = 1 -
    scale^2: by 21 z and 2^17 points of N(0, 1) that are alike.
    """
    points = ndtri((np.arange(1 << 17) + 0.5) / (1 << 17))
    bits = []
    for z in ndtri((np.arange(21) + 0.5) / 21):
        q = norm.pdf(points, math.sqrt(1 - scale**2) * z, scale) / norm.pdf(points)
        bits.append(levels_divergence_bits(q / q.sum(), np.full(q.size, 1 / q.size)))
    return float(np.mean(bits))


# --- what is printed and drawn ------------------------------------------------------------------


def with_error(x: Any) -> str:
    """The mean, with its standard error unless all are equal."""
    mean, error = x.mean(), x.std() / math.sqrt(x.size)
    if error < 1e-9:
        return f"{mean:.2f}" if mean % 1 else f"{mean:.0f}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def print_uniform_channel(dimensions: int, costs: list[Cost]) -> None:
    """The table of a dimension: theory beside what was measured."""
    information, count = costs[0].information, count_for_box(dimensions)
    acceptance, one = float(WIDTH) ** -dimensions, 1 / WIDTH
    # Ordered random coding takes the first in the box, or candidate 0 if there is none
    law = acceptance * (1 - acceptance) ** np.arange(count)
    law[0] += (1 - acceptance) ** count
    entropy = geometric_entropy_bits(acceptance)
    theory = {  # candidates, entropy of the index
        REJECTION: (1 / acceptance, entropy),
        POISSON: (1 / acceptance, entropy),  # on this channel, the first in the box as well
        ORDERED: ((1 - (1 - acceptance) ** count) / acceptance, -(law @ np.log2(law))),
        MINIMAL: (count, math.log2(count)),
        BLOCKS: (dimensions * WIDTH, dimensions * geometric_entropy_bits(one)),
        UNIVERSAL: (1, information),
    }
    print(f"\nD = {dimensions}: KL = {dimensions} log2 15 = {information:.2f} bits")
    print(
        f"{'':34}{'candidates':>11}{'measured':>15}{'entropy':>9}{'measured':>16}"
        f"{'code':>15}{'ms':>9}"
    )
    for cost in costs:
        law_bits = None
        if cost.method == MINIMAL:
            code_bits = [fixed_length_bits(count)]
        elif cost.method == UNIVERSAL:
            code_bits = [fixed_length_bits(WIDTH**dimensions)]
        else:
            numbers = cost.n.reshape(len(cost.n), -1) + 1  # of each block
            code_bits = [sum(len(elias_delta(n)) for n in row) for row in numbers.tolist()]
            if cost.method == ORDERED:
                law_bits = -np.log2(law[cost.n])
            else:
                accepted = one if cost.method == BLOCKS else acceptance
                law_bits = geometric_bits(numbers, accepted).sum(axis=1)
        examined, entropy = theory[cost.method]
        measured = "uniform" if law_bits is None else with_error(law_bits)
        print(
            f"{cost.method:34}{examined:11.0f}{with_error(cost.examined):>15}{entropy:9.2f}"
            f"{measured:>16}{with_error(np.array(code_bits)):>15}{1e3 * cost.seconds:9.3f}"
        )


def print_machines(machines: list[tuple[int, Any, int, list[Cost]]]) -> None:
    """Candidates, and bits beyond the information, for each machine."""
    print("\nBoltzmann machines of M units: candidates, and bits beyond KL")
    names = [" ".join(cost.method.split()[:2]) for cost in machines[0][-1]]
    print(f"{'M':>2}{'KL':>6}{'2^KL':>8}{'max q/p':>9}" + "".join(f"{m:>20}" for m in names))
    for units, q, count, costs in machines:
        information, ratio = costs[0].information, q.max() * q.size
        print(
            f"{units:2}{information:6.2f}{2**information:8.1f}{ratio:9.1f}"
            + "".join(
                f"{c.examined.mean():14.1f},{own_bits(c, ratio, count) - information:5.2f}"
                for c in costs
            )
        )


def print_gaussians(groups: list[Group]) -> None:
    """Candidates, and bits beyond the information, for each scale."""
    print("\nGaussians N(1, s^2) beside N(0, 1): candidates or nodes, bits beyond KL, ms")
    names = [" ".join(cost.method.split()[:2]) for cost in groups[0][0]]
    print(f"{'KL':>6}{'bound':>7}" + "".join(f"{name:>24}" for name in names))
    for scale, (costs, ratio, _) in zip(SCALES, groups, strict=True):
        print(
            f"{costs[0].information:6.2f}{least_gaussian_bits(scale) + math.log2(scale):7.2f}"
            + "".join(
                f"{c.examined.mean():11.1f},{own_bits(c, ratio, 1) - c.information:5.2f},"
                f"{1e3 * c.seconds:6.2f}"
                for c in costs
            )
        )


def draw_row(axes: Any, groups: list[Group], title: str) -> None:
    """Candidates, time and bits against information, for one kind of target."""
    end = 1.04 * max(costs[0].information for costs, _, _ in groups)
    for i, first in enumerate(groups[0][0]):
        colour, marker, size = STYLES[first.method]
        style: dict[str, Any] = {"color": colour, "marker": marker, "ms": size, "lw": 1.3}
        if first.method in (REJECTION, POISSON):  # others coincide with them
            style["mfc"] = "none"
        costs = [costs[i] for costs, _, _ in groups]
        x = [cost.information for cost in costs]
        if first.method != UNIVERSAL:  # it has no candidates
            axes[0].semilogy(x, [cost.examined.mean() for cost in costs], **style)
        axes[1].semilogy(x, [1e3 * cost.seconds for cost in costs], label=first.method, **style)
        bits = [own_bits(group[0][i], *group[1:]) for group in groups]
        axes[2].plot(x, np.array(bits) - x, **style)
    x = np.linspace(0, end, 200)
    bound = np.array([poisson_functional_bound_bits(bits) - bits for bits in x])
    dashed = {"color": "black", "lw": 0.8, "ls": (0, (4, 3)), "zorder": 0}
    axes[0].semilogy(x, 2**x, **dashed)
    axes[0].text(0.75 * end, 2 ** (0.68 * end), "$2^{KL}$", va="top", ha="left")
    axes[2].plot(x, bound, **dashed)
    axes[2].text(0.3 * end, bound[60] + 0.15, "Eq. 3", va="bottom", ha="right")
    labels = "candidates examined", "CPU ms per message", "bits beyond the information"
    for panel, label in zip(axes, labels, strict=True):
        panel.set(xlabel=r"$D_{KL}[q\,\|\,p]$, bits", ylabel=label, xlim=(0, end))
    axes[1].yaxis.minorticks_off()
    axes[2].set_ylim(bottom=-0.4)
    axes[0].set_title(title, loc="left", fontweight="bold", fontsize=9)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cost of reverse channel coding.")
    parser.add_argument(
        "--out", default="reverse_channel_coding.png", help="file to write (default: %(default)s)"
    )
    options = parser.parse_args()

    try:
        import matplotlib
    except ImportError as error:
        print(f"this example needs matplotlib (pip install '.[cli]'): {error}", file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    channel: list[Group] = []
    for dimensions in MESSAGES:
        costs = uniform_channel_costs(dimensions)
        print_uniform_channel(dimensions, costs)
        channel.append((costs, float(WIDTH) ** dimensions, count_for_box(dimensions)))
    print("\nuniversal quantization of more:")
    for dimensions in (10**3, 10**4, 10**5, 10**6):
        cost = universal(coefficients(3, dimensions))
        bits, ms = cost.information, 1e3 * cost.seconds
        print(f"  D = {dimensions:>7}: {bits:9.0f} bits, {ms:7.2f} ms")
    machines = []
    for units in UNITS:
        q = machine_law(units)
        count = count_for_machine(q)
        machines.append((units, q, count, machine_costs(q, count)))
    print_machines(machines)
    gaussians: list[Group] = [(*gaussian_costs(scale), 1) for scale in SCALES]
    print_gaussians(gaussians)

    style = {
        "font.size": 9,
        "mathtext.fontset": "cm",
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, rows = pyplot.subplots(3, 3, figsize=(9.5, 9), layout="constrained")
        draw_row(rows[0], channel, f"uniform channel, width {WIDTH}, $D$ = 1, 2, 3, 4")
        rows[0][1].text(
            *(channel[-1][0][-1].information, 2e3 * channel[-1][0][-1].seconds),
            f"{bits / 1e6:.1f} million bits: {ms:.0f} ms",
            color=STYLES[UNIVERSAL][0],
            ha="right",
        )
        groups = [(costs, q.max() * q.size, count) for _, q, count, costs in machines]
        sizes = ", ".join(map(str, UNITS))
        draw_row(rows[1], groups, f"Boltzmann machines, $M$ = {sizes}")
        draw_row(rows[2], gaussians, "Gaussians beside a Gaussian proposal")
        rows[2][2].plot(
            [-math.log2(scale) for scale in SCALES],
            [least_gaussian_bits(scale) + math.log2(scale) for scale in SCALES],
            color="black",
            lw=1,
            ls=":",
        )
        lines = {h.get_label(): h for row in rows for h in row[1].get_lines()}
        handles = [lines[method] for method in STYLES]
        figure.legend(handles, STYLES, loc="outside lower center", ncols=4, fontsize=8)
        figure.savefig(options.out, dpi=160)
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()
