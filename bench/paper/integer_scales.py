"""What it costs that the hyperprior's scales are integers, and what would go wrong with floats.

    python bench/paper/integer_scales.py FOLDER_OF_KODAK [--out bench/results]

For each model that comes with npuq, over the photographs: how many more bits the tables promise
with the integer scales than with the float ones; how many latents take another table; and how many
would if the parameters of the float network came out 1e-6 of themselves off, each of which would
break what follows in a file. Writes integer_scales.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from npuq.codec.hyperprior import float_table_indexes, promised_bits, quantize, table_indexes
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.shipped import shipped_model, shipped_qualities

RESULTS = Path(__file__).parents[1] / "results"
OFF = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    images = [read_image(path) for path in list_images(args.folder)]
    rows = [
        measure(images, shipped_model(method, quality, "hyperprior"), method) | {"quality": quality}
        for quality in shipped_qualities("hyperprior")
        for method in METHODS
    ]
    for row in rows:
        print(
            f"quality {row['quality']}  {row['method']:9} "
            f"{row['cost_percent_mean']:+.4f} % (worst image {row['cost_percent_worst']:+.4f} %)  "
            f"other tables {row['other_tables']:.2e}  flips {row['flips']} of {row['latents']}, "
            f"in {row['images_with_flips']} of {row['images']} images"
        )
    path = args.out / "integer_scales.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {path}")


def measure(images: list[np.ndarray], model: Model, method: str) -> dict[str, Any]:
    """Costs, differences and flips over all images."""
    shaken = model._replace(params=off_by(model.params, OFF))
    costs, other, flips, latents = [], 0, [], 0
    for image in images:
        symbols = quantize(image, model, method, 0)
        ours, floats, elsewhere = (
            table_indexes(symbols, model, method),
            float_table_indexes(symbols, model, method),
            float_table_indexes(symbols, shaken, method),
        )
        bits = promised_bits(symbols, model, method, indexes=ours)
        costs.append(100 * (bits / promised_bits(symbols, model, method, indexes=floats) - 1))
        other += int(np.sum(ours != floats))
        flips.append(int(np.sum(floats != elsewhere)))
        latents += ours.size
    return {
        "method": method,
        "cost_percent_mean": float(np.mean(costs)),
        "cost_percent_worst": float(max(costs)),
        "other_tables": other / latents,
        "flips": sum(flips),
        "latents": latents,
        "images_with_flips": sum(n > 0 for n in flips),
        "images": len(images),
    }


def off_by(params: Any, part: float) -> Any:
    """Parameters each of which is larger or smaller by a part of itself."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (a * (1 + part * rng.choice([-1.0, 1.0], a.shape))).astype(np.float32)
        for name, a in named_arrays(params).items()
    }
    return with_arrays(params, arrays)


if __name__ == "__main__":
    main()
