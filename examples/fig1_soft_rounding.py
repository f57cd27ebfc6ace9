"""Figure 1 of the paper, redrawn: soft rounding, and why its gradients are integrated out.

    python examples/fig1_soft_rounding.py [--out fig1.png]

A: the soft rounding function s_alpha (Eq. 10) for several alpha, between the identity (alpha 0) and
   rounding (alpha infinity).
B: h(y) = log p(y), the log-density of s_alpha(X) + U for logistic X (Eq. 22). Its derivative h'(y),
   which the sampled gradient of the rate is made of, beside the expected derivative
   h(y + 1/2) - h(y - 1/2) (Eq. 17), which replaces it: the average of h' over the noise.

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import numpy as np

from npuq.nn import logistic
from npuq.paper.density import rate_bits, rate_bits_backward
from npuq.paper.expected_gradient import rate_bits_backward_expected
from npuq.paper.soft_round import soft_round

ALPHAS = (0.0, 2.0, 4.0, 7.0, 16.0, math.inf)
ALPHA_B = 7.0
SCALE = 1.0  # of the logistic distribution

BLUE, ORANGE, GREY = "#0b5394", "#d9590d", "#999999"


def draw_soft_rounding(axes: Any) -> None:
    """Panel A."""
    from matplotlib import colormaps

    y = np.linspace(-1.5, 1.5, 3001)
    colours = colormaps["viridis"](np.linspace(0.9, 0.05, len(ALPHAS) - 2))
    for alpha in ALPHAS:
        s = soft_round(y, alpha)
        if alpha == 0:
            axes.plot(y, s, color=GREY, lw=1, ls=(0, (4, 3)), label=r"$\alpha \to 0$: $y$")
        elif alpha == math.inf:
            s[1:][np.diff(s) > 0] = np.nan  # no line where rounding jumps
            label = r"$\alpha \to \infty$: $\lfloor y \rceil$"
            axes.plot(y, s, color="black", lw=1, ls=(0, (1, 1.5)), label=label)
        else:
            colour = colours[ALPHAS.index(alpha) - 1]
            axes.plot(y, s, color=colour, lw=1.6, label=rf"$\alpha = {alpha:g}$")
    axes.set(xlabel="$y$", ylabel=r"$s_\alpha(y)$", xlim=(-1.5, 1.5), ylim=(-1.6, 1.6))
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(-1.5, 1.6, 0.5))
    axes.set_yticks(np.arange(-1.5, 1.6, 0.5))
    axes.legend(loc="upper left", handlelength=1.6, labelspacing=0.25, borderaxespad=0.2)


def draw_derivatives(axes: Any) -> tuple[float, float]:
    """Panel B; returns the largest derivative and the largest expected one."""
    y = np.linspace(-4, 4, 16_001)
    params = logistic.Params(np.array(0.0), np.array(SCALE))
    log2_to_log = np.full_like(y, -math.log(2))  # h is minus the bits, in nats
    h = -math.log(2) * rate_bits(y, params, cdf=logistic, alpha=ALPHA_B)
    slope, _ = rate_bits_backward(log2_to_log, y, params, cdf=logistic, alpha=ALPHA_B)
    expected = rate_bits_backward_expected(log2_to_log, y, params, cdf=logistic, alpha=ALPHA_B)
    axes.axhline(0, color="0.85", lw=0.8, zorder=0)
    axes.plot(y, h, color=GREY, lw=1.2, label="$h(y)$")
    axes.plot(y, slope, color=BLUE, lw=1.2, label="$h'(y)$")
    label = r"$h(y + \frac{1}{2}) - h(y - \frac{1}{2})$"
    axes.plot(y, expected, color=ORANGE, lw=1.8, label=label)
    axes.set(xlabel="$y$", xlim=(-4, 4), ylim=(-5.2, 5.2))
    axes.set_xticks(range(-4, 5))
    axes.legend(loc="upper right", handlelength=1.6, labelspacing=0.3, borderaxespad=0.2)
    largest = float(abs(slope).max())
    axes.text(
        0.02,
        0.03,
        rf"$\alpha = {ALPHA_B:g}$; the spikes of $h'$ reach $\pm${largest:.0f}",
        transform=axes.transAxes,
        color="0.35",
    )
    return largest, float(abs(expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description="Redraw Figure 1 of the paper.")
    parser.add_argument("--out", default="fig1.png", help="file to write (default: %(default)s)")
    options = parser.parse_args()

    try:
        import matplotlib
    except ImportError as error:
        print(f"this example needs matplotlib (pip install '.[cli]'): {error}", file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {
        "font.size": 9,
        "mathtext.fontset": "cm",
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, (left, right) = pyplot.subplots(
            1, 2, figsize=(8, 3.5), width_ratios=(1, 1.25), layout="constrained"
        )
        draw_soft_rounding(left)
        largest, expected = draw_derivatives(right)
        for axes, letter in ((left, "A"), (right, "B")):
            axes.set_title(letter, loc="left", fontweight="bold")
        figure.savefig(options.out, dpi=200)
    alphas = ", ".join(f"{alpha:g}" for alpha in ALPHAS)
    print(f"A: soft rounding for alpha = {alphas}")
    print(
        f"B: log-density of s(X) + U, X logistic of scale {SCALE:g}, alpha {ALPHA_B:g}: "
        f"derivatives up to {largest:.1f}, expected derivatives up to {expected:.2f}"
    )
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
