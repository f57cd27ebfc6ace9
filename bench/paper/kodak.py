"""Rate and distortion on the Kodak photographs, beside others' figures: Figs. 2A, 3A, 5 and 6.

    python bench/paper/kodak.py FOLDER_OF_KODAK [--model hyperprior] [--qualities 1,2,3]
                                [--out bench/results]

Every figure is that of a real file, decoded again. Writes kodak.json, or kodak_hyperprior.json (all
records, versions, BD rates, the checks of file sizes), and a picture, and prints the tables. The
photographs are not part of the project; `published.json` holds the figures that others published,
with their sources.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from npuq import __version__
from npuq.evaluation.comparison import bd_rate, interpolate_rd
from npuq.evaluation.figures import COLOURS, TITLES
from npuq.evaluation.rate_distortion import Evaluation, Job, evaluate_image, jobs_for
from npuq.evaluation.records import as_json, mean_records
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.trained.methods import METHODS
from npuq.trained.shipped import shipped_qualities

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
MARKERS = ("^", "s", "D")
FILES = {"linear": "kodak", "hyperprior": "kodak_hyperprior"}
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
    published = json.loads((HERE / "published.json").read_text())
    points = compare_with_paper(records, published[f"paper_{args.model}"]["points"])
    report = {
        "versions": versions(),
        "mean": as_json(means),
        "paper_points": points,
        "bd_rate_percent": bd_rates(means),
        "sizes": check_sizes(evaluations),
        "records": as_json(records),
    }
    print_report(report)
    path = args.out / f"{FILES[args.model]}.json"
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    plot(records, published, args.model, path.with_suffix(".png"))
    print(f"wrote {path} and {path.with_suffix('.png')}")


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


def curve(records: Iterable[Any], method: str) -> tuple[list[float], list[float]]:
    """(bpp, PSNR) of a method, from small to large files."""
    points = sorted((r.bpp, r.psnr) for r in records if r.method == method)
    return [bpp for bpp, _ in points], [psnr for _, psnr in points]


def compare_with_paper(
    records: Sequence[Any], points: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Our PSNR at the rate of each printed point, interpolated on our curve of that image."""
    rows = []
    for point in points:
        method = point["method"].lower()
        ours = curve([r for r in records if r.image == point["image"]], method)
        psnr = float(interpolate_rd(*ours, point["bpp"]))
        if math.isnan(psnr):
            print(f"{point} lies outside our curve and is left out", file=sys.stderr)
            continue
        rows.append(
            point | {"method": method, "psnr_npuq": psnr, "difference_db": psnr - point["psnr"]}
        )
    return rows


def bd_rates(means: Sequence[Any]) -> dict[str, float]:
    """Bits at equal PSNR relative to UN + Q, on the average curve, in percent."""
    anchor = curve(means, "un+q")
    return {m: bd_rate(*anchor, *curve(means, m)) for m in METHODS if m != "un+q"}


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
    print("\nThe paper's printed points, and our PSNR at the same rate")
    for p in report["paper_points"]:
        print(f"{p['image']} {TITLES[p['method']]:14} {p['bpp']:.3f} bpp  ", end="")
        print(f"paper {p['psnr']:.2f}  npuq {p['psnr_npuq']:.2f}  {p['difference_db']:+.2f} dB")
    print("\nBits: payload over tables (most, of an image), tables over float model (worst)")
    for name, s in report["sizes"].items():
        print(f"{name:12} {s['payload_excess_bits_max']:+8.1f} bits   ", end="")
        print(f"{s['tables_over_model_percent_worst']:+.4f} % ", end="")
        print(s["tables_over_model_worst_image"])


def plot(records: Sequence[Any], published: dict[str, Any], model: str, path: Path) -> None:
    """Figs. 2A, 5B, 5C or 3A, 6A, 6B, and the images of which the paper prints points."""
    from matplotlib.figure import Figure

    means = mean_records(records)
    figure = Figure(figsize=(11, 8), layout="constrained")
    (mean_axes, image_axes), (mse_axes, ssim_axes) = figure.subplots(2, 2)
    for axes, key in ((mean_axes, "psnr"), (mse_axes, "mse"), (ssim_axes, "ms_ssim")):
        for method in METHODS:
            rows = sorted((r for r in means if r.method == method), key=lambda r: r.bpp)
            values = [getattr(r, key) for r in rows]
            axes.plot(
                [r.bpp for r in rows], values, "o-", color=COLOURS[method], label=TITLES[method]
            )
    jpeg = published["jpeg420"]
    mean_axes.plot(jpeg["bpp_psnr"], jpeg["psnr"], "--", color="grey", label="JPEG 4:2:0")
    ssim_axes.plot(jpeg["bpp_msssim"], jpeg["msssim"], "--", color="grey", label="JPEG 4:2:0")
    if model == "hyperprior":
        curve_of = published["minnen2018_no_context"]
        label = "Minnen et al. 2018, no context"
        mean_axes.plot(curve_of["bpp_psnr"], curve_of["psnr"], "k:", label=label)
    points = published[f"paper_{model}"]["points"]
    markers = dict(zip(sorted({p["image"] for p in points}), MARKERS, strict=True))
    for image, marker in markers.items():
        for method in METHODS:
            of_image = [r for r in records if r.image == image]
            image_axes.plot(*curve(of_image, method), "-", lw=1, color=COLOURS[method])
        image_axes.plot([], [], marker, mfc="none", color="black", label=f"paper, {image}")
    for p in points:
        style = {"mfc": "white", "ms": 8, "color": COLOURS[p["method"].lower()]}
        image_axes.plot(p["bpp"], p["psnr"], markers[p["image"]], **style)
    for axes, title in (
        (mean_axes, "PSNR [dB], mean of 24 images"),
        (image_axes, "PSNR [dB], single images: npuq (lines), paper (markers)"),
        (mse_axes, "MSE, mean of 24 images"),
        (ssim_axes, "MS-SSIM, mean of 24 images"),
    ):
        axes.set_xlim(0, 1.05 * max(r.bpp for r in means))
        axes.set_xlabel("bits per pixel (real files)")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        if axes is not mse_axes:
            axes.legend(fontsize=8, loc="lower right")
    mean_axes.set_ylim(min(r.psnr for r in means) - 1, max(r.psnr for r in means) + 1.5)
    ssim_axes.set_ylim(min(r.ms_ssim for r in means) - 0.01, 1)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
