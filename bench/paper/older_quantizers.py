"""The quantizers of Sec. 2 beside the paper's three approaches, on Kodak.

    bench/paper/train_older_quantizers.sh PHOTOGRAPHS RUNS
    python bench/paper/older_quantizers.py KODAK RUNS

Each model is measured twice: what its training objective says of the photographs ("promised"), and
what arrives by the way its coefficients are sent at test time ("delivered"). Bits are those of real
files, but for a shared shift, which no file format of npuq has: there they are the promise of the
integer tables for the symbols, without a header. After training with stochastic rounding, Toderici
et al. round; stochastic rounding is measured as well, and makes files as rounding does.

Beside that: how well one shared noise is known to a receiver of a model that was not even trained
for it; and Roberts' dithered pixels against plain quantization with the same number of levels.

Writes older_quantizers.json and older_quantizers.png.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.codec import Symbols
from npuq.codec.files import compress, decompress, dequantize, promised_bits, write_symbols
from npuq.coding.dither import dither_integers, dither_values
from npuq.evaluation.metrics import ms_ssim, mse, psnr
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.models import linear
from npuq.paper.channel import shared_shift_noise, universal_quantize
from npuq.paper.older_quantizers import dithered_pixels, stochastic_round
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.model_file import load_model
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.schedules import softness_at
from npuq.training.step import noise_of_validation

RESULTS = Path(__file__).parents[1] / "results"
SEED = 0
STOCHASTIC, SHARED_SHIFT = "stochastic rounding", "shared shift"
# (run, title, ways to send the coefficients)
TRAININGS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("un", "uniform noise", ("un+q", "un+uq")),
    ("sr", "uniform noise, soft rounding", ("un+uq+sr",)),
    ("straight-through", "straight-through rounding", ("un+q",)),
    ("stochastic", "stochastic rounding", ("un+q", STOCHASTIC)),
    ("shared-shift", "shared shift, straight-through", ("un+q", SHARED_SHIFT)),
    ("annealed", "soft rounding without noise", ("un+q",)),
    ("shared-noise", "shared noise", ("un+q", "un+uq")),
)
LEVELS = (4, 8, 16)


class Sent(NamedTuple):
    """An image that has arrived."""

    bits: float
    image: Array


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the photographs of Kodak")
    parser.add_argument("runs", type=Path, help="what train_older_quantizers.sh made")
    parser.add_argument("--qualities", default="4")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    images = [read_image(path) for path in list_images(args.folder)]
    qualities = [int(q) for q in args.qualities.split(",")]
    rows = []
    for quality in qualities:
        for run, title, ways in TRAININGS:
            model = load_model(args.runs / f"{run}-{quality}" / "model.npz")
            promise = promised(model, images)
            for way in ways:
                row = {"quality": quality, "training": title, "test": way}
                rows.append(row | promise | delivered(model, images, way))
                print(line(rows[-1]), flush=True)
    leak = shared_noise_leak(load_model(args.runs / f"un-{qualities[0]}" / "model.npz"), images)
    print("one noise for all coefficients:", json.dumps(leak))
    pixels = [pixel_row(images, levels, way) for levels in LEVELS for way in DITHERS]
    for row in pixels:
        print(json.dumps(row))
    report = {"models": rows, "shared_noise": leak, "pixels": pixels}
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "older_quantizers.json"
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    plot(rows, path.with_suffix(".png"))
    print(f"wrote {path} and {path.with_suffix('.png')}")


# --- linear models ------------------------------------------------------------------------------


def promised(model: Model, images: Sequence[Array]) -> dict[str, float]:
    """Means of the loss that was trained, at its last softness."""
    options = TrainingOptions(**model.training["options"])
    objective = objective_of(options)
    softness = softness_at(options, options.steps)
    losses = [
        objective.loss(
            model.params,
            objective.inputs(image[None], noise_of_validation(number)),
            options.lmbda,
            softness,
        )
        for number, image in enumerate(images)
    ]
    loss, bpp, error = np.mean(losses, axis=0).tolist()
    return {"promised_loss": loss, "promised_bpp": bpp, "promised_mse": error}


def delivered(model: Model, images: Sequence[Array], way: str) -> dict[str, float]:
    """Means of rate and distortion at test time, in the units of the loss."""
    figures = []
    for number, image in enumerate(images):
        bits, decoded = send(image, model, way, number)
        figures.append(
            (bits / (image.shape[0] * image.shape[1]), mse(image, decoded), psnr(image, decoded))
        )
    bpp, error, decibels = np.mean(figures, axis=0).tolist()
    return {"loss": bpp + model.lmbda * error, "bpp": bpp, "mse": error, "psnr": decibels}


def send(image: Array, model: Model, way: str, number: int) -> Sent:
    """An image, number `number`, by one of METHODS or one of the older ways."""
    if way in METHODS:
        data = compress(image, method=way, model=model, seed=SEED)
        return Sent(8 * len(data), decompress(data, model=model))
    y, rng = coefficients(image, model), np.random.default_rng([SEED, number])
    if way == STOCHASTIC:
        k = stochastic_round(y, rng.random(y.shape, np.float32) - np.float32(0.5))
        symbols = Symbols(k.astype(np.int32), np.zeros(k.shape, np.uint8), *image.shape[:2])
        data = write_symbols(symbols, model, "un+q", SEED)
        return Sent(8 * len(data), decompress(data, model=model))
    n = rng.integers(256, dtype=np.uint8)
    k = universal_quantize(y, dither_values(n, np.float32))
    symbols = Symbols(k.astype(np.int32), np.full(k.shape, n), *image.shape[:2])
    bits = promised_bits(symbols, model, "un+uq")
    return Sent(bits, dequantize(symbols, model, "un+uq"))


def coefficients(image: Array, model: Model) -> Array:
    """(192, h, w)."""
    padded = linear.pad_to_blocks(image)
    y = linear.analyse(linear.images_to_blocks(padded[None]), model.params.analysis)
    return y.reshape(linear.CHANNELS, padded.shape[0] // 8, padded.shape[1] // 8)


def shared_noise_leak(model: Model, images: Sequence[Array]) -> dict[str, float]:
    """y + u with one u, sent to a receiver who guesses that most coefficients are 0.

    The median of all that he receives is his guess of u, which he subtracts. With independent noise
    it tells him nothing.
    """
    figures = []
    for number, image in enumerate(images):
        y, rng = coefficients(image, model), np.random.default_rng([SEED, number])
        u = shared_shift_noise(rng, y.shape, "float32")
        guess = np.median(y + u)
        shown = [psnr(image, decode(r, model, image)) for r in (y + u, y + u - guess, y)]
        figures.append((abs(guess - u.flat[0]), *shown))
    error, noisy, cleaned, exact = np.mean(figures, axis=0).tolist()
    return {
        "error_of_the_guess": error,
        "psnr_with_noise": noisy,
        "psnr_after_subtraction": cleaned,
        "psnr_without_noise": exact,
    }


def decode(r: Array, model: Model, image: Array) -> Array:
    """The picture of reconstructed coefficients."""
    blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), model.params.synthesis)
    shown = linear.blocks_to_bytes(blocks, (1, *r.shape[1:]))[0]
    return shown[: image.shape[0], : image.shape[1]]


# --- pixels -------------------------------------------------------------------------------------


def plain(image: Array, levels: int, u: Array) -> Array:
    return dithered_pixels(image, np.zeros(()), levels)


def roberts(image: Array, levels: int, u: Array) -> Array:
    return dithered_pixels(image, u, levels)


def not_subtracted(image: Array, levels: int, u: Array) -> Array:
    step = 255 / (levels - 1)
    return step * stochastic_round(image / step, u)


DITHERS: dict[str, Callable[[Array, int, Array], Array]] = {
    "plain": plain,
    "dithered, not subtracted": not_subtracted,
    "Roberts": roberts,
}


def pixel_row(images: Sequence[Array], levels: int, way: str) -> dict[str, Any]:
    """Means over the images, colour samples each for itself, log2(levels) bits a sample."""
    figures = []
    for image in images:
        height, width, _ = image.shape
        n = dither_integers((3, height, width), seed=SEED).transpose(1, 2, 0)
        shown = DITHERS[way](image, levels, dither_values(n, np.float64))
        as_bytes = np.rint(shown).astype(np.uint8)
        figures.append(
            (
                psnr(image, as_bytes),
                ms_ssim(image, as_bytes),
                psnr_of_means(image.astype(np.float64), shown),
            )
        )
    names = ("psnr", "ms_ssim", "psnr_of_8x8_means")
    return {"levels": levels, "way": way} | dict(
        zip(names, np.mean(figures, axis=0).tolist(), strict=True)
    )


def psnr_of_means(a: Array, b: Array) -> float:
    """PSNR of the means of blocks of 8x8 pixels: of what one sees from afar."""
    means = [x.reshape(x.shape[0] // 8, 8, x.shape[1] // 8, 8, 3).mean(axis=(1, 3)) for x in (a, b)]
    return float(10 * np.log10(255**2 / ((means[0] - means[1]) ** 2).mean()))


# --- reports ------------------------------------------------------------------------------------


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['quality']}  {row['training']:30} {row['test']:20} "
        f"promised {row['promised_loss']:7.3f} ({row['promised_bpp']:.3f} bpp)  "
        f"delivered {row['loss']:7.3f} ({row['bpp']:.3f} bpp, {row['psnr']:.2f} dB)"
    )


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The loss that was trained beside the loss of what arrives, a bar each."""
    from matplotlib.figure import Figure

    qualities = list(dict.fromkeys(row["quality"] for row in rows))
    figure = Figure(figsize=(10, 4.2 * len(qualities)), layout="constrained")
    panels = figure.subplots(len(qualities), 1, squeeze=False)[:, 0]
    for axes, quality in zip(panels, qualities, strict=True):
        of_quality = [row for row in rows if row["quality"] == quality]
        end = 2.4 * min(row["loss"] for row in of_quality)
        for key, colour, shift, label in (
            ("promised_", "tab:orange", -0.2, "promised: the loss that was trained"),
            ("", "tab:blue", 0.2, "delivered: the loss of what arrives"),
        ):
            losses = [row[key + "loss"] for row in of_quality]
            at = np.arange(len(losses)) + shift
            axes.barh(at, losses, 0.38, color=colour, label=label)
            for loss, y, row in zip(losses, at, of_quality, strict=True):
                text = f"{loss:.2f}  ({row[key + 'bpp']:.2f} bpp, MSE {row[key + 'mse']:.0f})"
                colour_of_text = "black" if loss < 0.75 * end else "white"  # in a bar that is cut
                x = loss if loss < 0.75 * end else 0.75 * end
                axes.text(x + 0.01 * end, y, text, va="center", fontsize=8, color=colour_of_text)
        names = [f"{row['training']}:  {row['test']}" for row in of_quality]
        axes.set_yticks(np.arange(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlim(0, end)
        axes.set_xlabel("bits per pixel + $\\lambda$ MSE, mean over Kodak")
        axes.set_title(f"quality {quality}", fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside upper right")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
