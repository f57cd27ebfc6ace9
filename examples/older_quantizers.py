"""Older quantizers: two that are no bottleneck (Secs. 3.2 and 4.1), and dithered pixels (Sec. 2).

    python examples/older_quantizers.py [--out older_quantizers.png]

Top: a picture is sent as coefficients that were made so small that they cost nothing. Rounded,
nothing is left of them. What was put in the place of rounding in training must lose as much, or the
encoder is rewarded for making its coefficients small:
* soft rounding without noise (after Agustsson et al. 2017) is invertible: the decoder undoes it;
* noise that is the same for all coefficients is known as soon as one of them is known to be 0.
With noise of its own in each coefficient, as in the paper, only noise arrives. The table that is
printed has other sizes of the coefficients as well.

Bottom: Roberts (1962), "Picture coding using pseudo-random noise". Grey levels are sent with three
bits each: rounded; with noise added before, which is stochastic rounding; and with the same noise
subtracted again by the receiver, which is universal quantization. Right: means of blocks of 8x8
pixels along a line through the ball, which is what one sees from afar.

Needs matplotlib: pip install '.[cli]'.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.evaluation.metrics import psnr
from npuq.models import linear
from npuq.nn import logistic
from npuq.paper.channel import (
    round_half_up,
    shared_shift_noise,
    uniform_noise,
    uniform_noise_channel,
)
from npuq.paper.density import rate_bits
from npuq.paper.older_quantizers import dithered_pixels, stochastic_round
from npuq.paper.soft_round import soft_round, soft_round_inverse
from npuq.training.dead_leaves import dead_leaves

HEIGHT, WIDTH = 192, 288
LARGEST = (100.0, 1.0, 0.01)  # coefficient; the last one is shown
ALPHA = 16.0  # the paper's last
LEVELS = 8
SEED = 0

BLUE, ORANGE, GREY = "#0b5394", "#d9590d", "#999999"


# --- what is no bottleneck ----------------------------------------------------------------------


def receive(y: Array, quantizer: str) -> tuple[Array, Array]:
    """What passes, and what the receiver makes of it; coefficient 0 is known to be 0."""
    rng = np.random.default_rng(SEED)
    if quantizer == "rounding":
        k = round_half_up(y)
        return k, k
    if quantizer == "soft rounding, no noise":
        s = soft_round(y, ALPHA)
        return s, soft_round_inverse(s, ALPHA)
    if quantizer == "shared noise":
        z = uniform_noise_channel(y, shared_shift_noise(rng, y.shape))
        return z, z - z[0, 0]
    z = uniform_noise_channel(y, uniform_noise(rng, y.shape))
    return z, z


QUANTIZERS = ("rounding", "independent noise", "soft rounding, no noise", "shared noise")


def send(image: Array, largest: float, quantizer: str) -> tuple[float, Array]:
    """Bits per pixel, by a logistic density of each channel, and the picture that arrives."""
    params = linear.init(np.random.default_rng(0), start="jpeg", dtype=np.float64)
    y = linear.analyse(linear.images_to_blocks(image[None], np.float64), params.analysis)
    gain = largest / abs(y).max()
    y = np.concatenate([np.zeros((1, y.shape[1])), gain * y])
    passed, made = receive(y, quantizer)
    scales = abs(y).mean(axis=1, keepdims=True) / (2 * np.log(2)) + 1e-9  # E|Y| = 2 ln 2 scale
    density = logistic.Params(np.zeros((len(y), 1)), scales)
    bits = rate_bits(passed, density, cdf=logistic).sum()
    blocks = linear.synthesise(made[1:] / gain, params.synthesis)
    shape = (1, HEIGHT // linear.BLOCK, WIDTH // linear.BLOCK)
    return bits / (HEIGHT * WIDTH), linear.blocks_to_bytes(blocks, shape)[0]


# --- dithered pixels ----------------------------------------------------------------------------


def ball() -> Array:
    """A lit ball before a wall: grey levels that change slowly, where contours are seen at once."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    wall = 70 + 90 * column / WIDTH + 40 * row / HEIGHT
    y, x = (row - 0.5 * HEIGHT) / (0.4 * HEIGHT), (column - 0.45 * WIDTH) / (0.4 * HEIGHT)
    depth = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    light = np.maximum(-0.5 * x - 0.55 * y + 0.67 * depth, 0)
    return np.where(x**2 + y**2 < 1, 35 + 190 * light, wall)


def pixels(image: Array) -> dict[str, Array]:
    """The picture with LEVELS grey levels a sample, by three methods."""
    u = uniform_noise(np.random.default_rng(SEED), image.shape)
    step = 255 / (LEVELS - 1)
    return {
        "rounded": dithered_pixels(image, np.zeros(()), LEVELS),
        "stochastic rounding": step * stochastic_round(image / step, u),
        "Roberts": dithered_pixels(image, u, LEVELS),
    }


def means(image: Array) -> Array:
    """Of blocks of 8x8 pixels: what one sees from afar."""
    return image.reshape(HEIGHT // 8, 8, WIDTH // 8, 8).mean(axis=(1, 3))


def draw_means(axes: Any, pictures: dict[str, Array]) -> None:
    """Means along a row of blocks through the middle; `pictures` in the order of the styles."""
    styles = (("black", (0, (1, 1.5))), (ORANGE, "-"), (GREY, "-"), (BLUE, "-"))
    for (title, picture), (colour, dashes) in zip(pictures.items(), styles, strict=True):
        row = means(picture)[HEIGHT // 16]
        axes.plot(8 * np.arange(len(row)) + 4, row, color=colour, ls=dashes, lw=1.2, label=title)
    axes.set(xlim=(0, WIDTH), xlabel="column, pixels", ylabel="grey level")
    axes.legend(fontsize=6.5, frameon=False, loc="lower left")


def main() -> None:
    parser = argparse.ArgumentParser(description="The quantizers of Sec. 2.")
    parser.add_argument(
        "--out", default="older_quantizers.png", help="file to write (default: %(default)s)"
    )
    options = parser.parse_args()

    try:
        import matplotlib
    except ImportError as error:
        print(f"this example needs matplotlib (pip install '.[cli]'): {error}", file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    image = dead_leaves(HEIGHT, WIDTH, seed=5, largest_radius=60)
    shown: dict[str, Array] = {}
    print("largest coefficient   quantizer                  bits per pixel   PSNR")
    for largest in LARGEST:
        for quantizer in QUANTIZERS:
            bpp, arrived = send(image, largest, quantizer)
            print(f"{largest:19g}   {quantizer:25} {bpp:15.4f}  {psnr(image, arrived):5.1f}")
            shown[f"{quantizer}: {bpp:.4f} bpp"] = arrived
    shown = dict(list(shown.items())[-len(QUANTIZERS) :])

    original = ball()
    print(f"\n{LEVELS} grey levels        mean squared error   of 8x8 means")
    grey: dict[str, Array] = {}
    for name, arrived in pixels(original).items():
        error = ((arrived - original) ** 2).mean()
        of_means = ((means(arrived) - means(original)) ** 2).mean()
        print(f"{name:20} {error:18.1f} {of_means:14.2f}")
        grey[f"{name}: MSE {error:.0f}, of 8x8 means {of_means:.1f}"] = arrived

    with pyplot.rc_context({"font.size": 9}):
        figure, panels = pyplot.subplots(2, 5, figsize=(14, 4.6), layout="constrained")
        top: dict[str, Array] = {"original": image, **shown}
        bottom: dict[str, Array] = {"original": original, **grey}
        for row, pictures in ((panels[0], top), (panels[1, :-1], bottom)):
            for axes, (title, picture) in zip(row, pictures.items(), strict=True):
                axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_title(title, fontsize=8)
                axes.axis("off")
        draw_means(panels[1, -1], {title.partition(":")[0]: a for title, a in bottom.items()})
        figure.savefig(options.out, dpi=150)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
