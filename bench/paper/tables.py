"""The tables of `bench/README.md` that are made of results: rates, and the paper's numbers.

    python bench/paper/tables.py [--results FOLDER] [--losses held-out] [--write PAGE]

Prints them, or, by `--write bench/README.md`, puts each into its place there, between the comments
`<!-- table NAME -->` and `<!-- end -->`. `linear` and `hyperprior` are means over Kodak, `equal` is
the latter at equal rates; `points` has each printed point of the paper beside ours, `statements`
what else it says in numbers or finds.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures.courses import LOSSES
from figures.pictures import PICTURES, nearest_quality, printed_points
from figures.rates import columns, curve, published, read_records
from statements import signed, statements

from npuq.errors import NpuqError
from npuq.evaluation.comparison import interpolate_rd
from npuq.evaluation.figures import TITLES
from npuq.evaluation.records import Record, mean_records

RESULTS = Path(__file__).parents[1] / "results"
RATES = (0.155, 0.2, 0.255, 0.3, 0.4, 0.52, 0.7, 0.86)
"""At which the hyperprior's curves are compared, in bits per pixel."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument(
        "--losses", choices=LOSSES, default="held-out", help="of Fig. 3B (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    try:
        made = {
            "linear": rates_table(args.results, "linear"),
            "hyperprior": rates_table(args.results, "hyperprior"),
            "equal": equal_rates_table(args.results),
            "points": points_table(args.results),
            "statements": statements_table(args.results, args.losses),
        }
        if args.write is not None:
            page = args.write.read_text("utf-8")
            args.write.write_text(fill(page, made, str(args.write)), "utf-8")
    except (NpuqError, OSError) as error:
        print(f"tables: {error}", file=sys.stderr)
        return 2
    if args.write is None:
        print("\n\n".join(made.values()))
    else:
        print(f"wrote {args.write}")
    return 0


def fill(page: str, made: dict[str, str], name: str) -> str:
    """The page with the tables in their places.

    Raises:
        NpuqError: one of them has none.
    """
    for table, text in made.items():
        place = re.compile(rf"(<!-- table {table} -->\n).*?(<!-- end -->)", re.S)
        if not place.search(page):
            raise NpuqError(f"{name}: has no place for the table {table!r}")
        page = place.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)
    return page


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rates_table(results: Path, model: str) -> str:
    """Means over the images by quality and method."""
    head = ("quality", "method", "bytes", "bpp", "bpp, estimated", "PSNR", "MSE", "MS-SSIM")
    means = sorted(mean_records(read_records(results, model)), key=lambda r: r.quality or 0)
    rows = [
        (
            str(r.quality), TITLES[r.method], str(r.bytes), f"{r.bpp:.3f}",
            f"{r.bpp_estimated:.3f}", f"{r.psnr:.2f}", f"{r.mse:.1f}", f"{r.ms_ssim:.4f}",
        )
        for r in means
    ]  # fmt: skip
    return markdown(head, rows)


def equal_rates_table(results: Path) -> str:
    """PSNR of the hyperprior's curves at the same rates; nothing where one does not reach."""
    means = mean_records(read_records(results, "hyperprior"))
    minnen = published()["minnen2018_no_context"]
    curves = [columns(curve(means, method)) for method in TITLES]
    curves.append((minnen["bpp_psnr"], minnen["psnr"]))
    head = ("bpp", *TITLES.values(), "SR above Q", "Minnen et al. 2018, no context")
    rows = []
    for bpp in RATES:
        q, uq, sr, others = (float(interpolate_rd(*points, bpp)) for points in curves)
        cells = f"{q:.2f}", f"{uq:.2f}", f"{sr:.2f}", signed(sr - q), f"{others:.2f}"
        rows.append((f"{bpp:g}", *("" if cell.endswith("nan") else cell for cell in cells)))
    return markdown(head, rows)


def points_table(results: Path) -> str:
    """Figs. 7 to 12: the paper's captions, our files, and our curve at the paper's rate."""
    head = (
        "Fig.", "image, model", "method", "paper", "ours, nearest quality",
        "our curve at the paper's rate",
    )  # fmt: skip
    rows = []
    records = {model: read_records(results, model) for model in ("linear", "hyperprior")}
    for number, choice in PICTURES.items():
        of_image = [r for r in records[choice.model] if r.image == choice.image]
        printed = printed_points(choice.model, choice.image)
        rates: dict[int, dict[str, float]] = {}
        for r in of_image:
            rates.setdefault(r.quality or 0, {})[r.method] = r.bpp
        quality = nearest_quality(rates, printed)
        shown = {r.method: r for r in of_image if r.quality == quality}
        for point in sorted(printed, key=lambda p: list(TITLES).index(p["method"].lower())):
            method = point["method"].lower()
            ours, base = shown[method], shown["un+q"].bpp
            bpp = f"{ours.bpp:.3f} bpp ({100 * ours.bpp / base:.0f} %)"
            rows.append(
                (
                    str(number),
                    f"{choice.image}, {choice.model}",
                    TITLES[method],
                    f"{point['bpp']:.3f} bpp ({point['percent']} %), {point['psnr']:.2f} dB",
                    f"{quality}: {bpp}, {ours.psnr:.2f} dB",
                    at_rate(of_image, method, point["bpp"], point["psnr"]),
                )
            )
    return markdown(head, rows)


def at_rate(records: Sequence[Record], method: str, bpp: float, psnr: float) -> str:
    """Our PSNR at a rate of the paper's, or that there is none."""
    rates, psnrs = columns(curve(records, method))
    ours = float(interpolate_rd(rates, psnrs, bpp))
    if np.isfinite(ours):
        return f"{ours:.2f} dB ({signed(ours - psnr)})"
    end = 0 if bpp < rates[0] else -1
    return f"beyond our curve, which ends at {rates[end]:.3f} bpp, {psnrs[end]:.2f} dB"


def statements_table(results: Path, losses: str) -> str:
    """What else the paper says in numbers, or finds by its experiments."""
    return markdown(("", "paper", "ours"), statements(results, losses))


if __name__ == "__main__":
    sys.exit(main())
