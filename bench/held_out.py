"""The loss of hyperprior models on whole photographs that training kept aside, by real files.

    python bench/held_out.py PHOTOGRAPHS MODEL [MODEL ...] [--method un+q] [--json] [--every 20]

PHOTOGRAPHS is the folder that `npuq train` was given: every 20th file of it, by sorted path, was
kept aside (`--every 1` takes all files of another folder). Each is compressed whole, decoded again,
and `bpp + lambda MSE` taken from the file and the pixels, with the lambda of the model. The loss in
training and the one on a few crops do not rank trainings rightly (see `sweep.py`); this one does.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from npuq.codec.files import compress, decompress
from npuq.evaluation.metrics import mse, psnr
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.trained.model import Model
from npuq.trained.model_file import load_model

EVERY = 20
"""As `npuq.training.photographs.load_photographs` keeps photographs aside."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--method", default="un+q")
    parser.add_argument("--json", action="store_true", help="an object for each model and line")
    parser.add_argument("--every", type=int, default=EVERY)
    args = parser.parse_args()
    for path in args.models:
        model = load_model(path)
        found = held_out_loss(args.photographs, model, args.method, args.every)
        if args.json:
            about = {"model": str(path), "method": args.method, "lmbda": model.lmbda}
            options = model.training.get("options", {})
            flags = ("expected_rate", "expected_distortion")
            about["expected_gradients"] = all(options.get(flag, False) for flag in flags)
            print(json.dumps(about | found), flush=True)
        else:
            print(
                f"{path}: loss {found['loss']:.4f} (median {found['loss_median']:.4f}), "
                f"{found['bpp']:.4f} bpp, {found['psnr']:.3f} dB, {found['pictures']} pictures",
                flush=True,
            )


def held_out_loss(
    folder: Path, model: Model, method: str = "un+q", every: int = EVERY
) -> dict[str, Any]:
    """Means over the pictures of loss, rate and PSNR, and the median of the losses.

    Args:
        folder: of the photographs that a training was given.
        model: with the lambda that it was trained for.
        method: "un+q", "un+uq" or "un+uq+sr".
        every: which of the photographs, in the order of their paths.
    """
    losses, rates, psnrs = [], [], []
    for path in list_images(folder)[every - 1 :: every]:
        image = read_image(path)
        data = compress(image, model=model, method=method)
        decoded = decompress(data, model=model)
        rates.append(8 * len(data) / (image.shape[0] * image.shape[1]))
        psnrs.append(psnr(image, decoded))
        losses.append(rates[-1] + model.lmbda * mse(image, decoded))
    return {
        "loss": statistics.fmean(losses),
        "loss_median": statistics.median(losses),
        "bpp": statistics.fmean(rates),
        "psnr": statistics.fmean(psnrs),
        "pictures": len(losses),
    }


if __name__ == "__main__":
    main()
