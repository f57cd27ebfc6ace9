"""Rate and distortion on the Kodak photographs, what Figs. 2A, 3A, 5 and 6 and the tables are of.

    python bench/paper/kodak.py FOLDER_OF_KODAK [--model hyperprior] [--qualities 1,2,3]
                                [--out bench/results]

Every figure is that of a real file, decoded again. Writes kodak.json, or kodak_hyperprior.json (all
records, versions, BD rates, the checks of file sizes), from which `figure.py` draws and `tables.py`
makes the tables of the page; `published.json` holds what others published, with the sources. The
photographs are not part of the project.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from figures.rates import FILES, columns, curve

from npuq import __version__
from npuq.evaluation.comparison import bd_rate
from npuq.evaluation.figures import TITLES
from npuq.evaluation.rate_distortion import Evaluation, Job, evaluate_image, jobs_for
from npuq.evaluation.records import as_json, mean_records
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.trained.methods import METHODS
from npuq.trained.shipped import shipped_qualities

RESULTS = Path(__file__).parents[1] / "results"
CONTAINER_ALLOWANCE_BITS = 128


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=FILES, default="linear")
    parser.add_argument("--qualities", help="default: all")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    qualities = shipped_qualities(args.model)
    if args.qualities is not None:
        qualities = [int(q) for q in args.qualities.split(",")]
    if len(set(qualities)) < 2:
        parser.error("a curve needs two qualities")
    evaluations = evaluate(list_images(args.folder), jobs_for(METHODS, qualities, args.model))
    records = [e.record for e in evaluations]
    means = mean_records(records)
    report = {
        "versions": versions(),
        "mean": as_json(means),
        "bd_rate_percent": bd_rates(means),
        "sizes": check_sizes(evaluations),
        "records": as_json(records),
    }
    print_report(report)
    path = args.out / FILES[args.model]
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    print(f"wrote {path}")


def evaluate(paths: Sequence[Path], jobs: Sequence[Job]) -> list[Evaluation]:
    """All evaluations, without the decoded images (they would not fit the memory)."""

    def one(path: Path) -> list[Evaluation]:
        image = read_image(path)
        found = [
            evaluate_image(image, job.model, job.method, name=path.stem, quality=job.quality)
            for job in jobs
        ]
        print(f"{path.stem} done", file=sys.stderr)
        return [e._replace(decoded=np.empty(0)) for e in found]

    with ThreadPoolExecutor(2) as pool:
        return [e for found in pool.map(one, paths) for e in found]


def versions() -> dict[str, str]:
    import numba
    import scipy

    return {
        "npuq": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def bd_rates(means: Sequence[Any]) -> dict[str, float]:
    """Bits at equal PSNR relative to UN + Q, on the average curve, in percent."""
    anchor = columns(curve(means, "un+q"))
    return {m: bd_rate(*anchor, *columns(curve(means, m))) for m in METHODS if m != "un+q"}


def check_sizes(evaluations: Sequence[Evaluation]) -> dict[str, dict[str, Any]]:
    """How far payloads lie above the tables' promise, and that from the float model's estimate."""
    groups: dict[str, list[Evaluation]] = defaultdict(list)
    for e in evaluations:
        groups[f"{e.record.method} {e.record.quality}"].append(e)
    return {
        name: {
            "payload_excess_bits_max": max(e.payload_bits - e.promised_bits for e in group),
            "payload_within_limit": all(
                e.payload_bits <= 1.001 * e.promised_bits + CONTAINER_ALLOWANCE_BITS for e in group
            ),
            "tables_over_model_percent_worst": over_model(worst),
            "tables_over_model_worst_image": worst.record.image,
        }
        for name, group in groups.items()
        for worst in [max(group, key=lambda e: abs(over_model(e)))]
    }


def over_model(evaluation: Evaluation) -> float:
    """How far the tables' promise lies above the float model's estimate, in percent."""
    return 100 * (evaluation.promised_bits / evaluation.estimated_bits - 1)


def print_report(report: dict[str, Any]) -> None:
    print("\nKodak, means over the images, real files")
    print(f"{'method':10} {'quality':>7} {'bytes':>8} {'bpp':>7} {'estimate':>8} ", end="")
    print(f"{'PSNR':>6} {'MSE':>7} {'MS-SSIM':>8}")
    for r in report["mean"]:
        print(f"{r['method']:10} {r['quality']:7} {r['bytes']:8} {r['bpp']:7.4f} ", end="")
        print(f"{r['bpp_estimated']:8.4f} {r['psnr']:6.2f} {r['mse']:7.2f} {r['ms_ssim']:8.4f}")
    print("\nBD-rate against UN + Q (negative: fewer bits at equal PSNR)")
    for method, percent in report["bd_rate_percent"].items():
        print(f"{TITLES[method]:14} {percent:+.2f} %")
    print("\nBits: payload over tables (most, of an image), tables over float model (worst)")
    for name, s in report["sizes"].items():
        print(f"{name:12} {s['payload_excess_bits_max']:+8.1f} bits   ", end="")
        print(f"{s['tables_over_model_percent_worst']:+.4f} % ", end="")
        print(s["tables_over_model_worst_image"])


if __name__ == "__main__":
    main()
