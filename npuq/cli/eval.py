"""`npuq eval`: rate and distortion of real files, Sec. 5.3."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from npuq.cli.common import (
    FAILURE,
    JSON_LIST_HELP,
    MODEL_HELP,
    SEED_HELP,
    about,
    check_not_same,
    facts_of_files,
    image_files,
    model_option,
    print_error,
    print_json,
    print_table,
    progress_bar,
    seed,
    whole,
)
from npuq.cli.device import add_device
from npuq.errors import NpuqError

if TYPE_CHECKING:
    from npuq.evaluation.figures import Curves
    from npuq.evaluation.rate_distortion import Job
    from npuq.evaluation.records import Failure, Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq eval`."""
    from npuq.trained.methods import METHODS

    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="+", help="images, or folders")
    parser.add_argument(
        "--method",
        choices=(*METHODS, "all"),
        default="all",
        help="(default: all, or of a model of your own those that it was trained for)",
    )
    parser.add_argument(
        "--quality",
        type=_quality,
        metavar="N|all",
        help="of the models that come with npuq (default: all)",
    )
    parser.add_argument("--model", metavar="NAME|PATH", default="linear", help=MODEL_HELP)
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help=SEED_HELP)
    add_device(parser)
    parser.add_argument("--json", action="store_true", help=JSON_LIST_HELP)
    parser.add_argument("--csv", metavar="PATH", help="write the records to a CSV file as well")
    parser.add_argument(
        "--bd-rate",
        choices=METHODS,
        metavar="METHOD",
        help="print how many more bits the other methods need at equal PSNR as well",
    )
    parser.add_argument(
        "--compressai",
        metavar="FOLDER",
        help="write each method's curve there as well, NAME.json in the format of CompressAI",
    )
    parser.add_argument(
        "--plot", metavar="PATH", help="draw rate and distortion as well, one curve a method"
    )
    parser.add_argument(
        "--published",
        metavar="CSV",
        help="curves to draw beside them: a file with the columns name, bpp and psnr",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate every image by every method and quality.

    An image that cannot be read is reported and left out. What ends the work early, such as
    Ctrl-C, does not take with it what is finished.
    """
    from npuq.evaluation.rate_distortion import evaluate_files
    from npuq.evaluation.records import Failure
    from npuq.ranks.launch import world

    ranks = world()
    paths = image_files(args.images)
    published = ranks.from_lead(lambda: _check_outputs(args, paths))
    jobs = _jobs(args)
    _check_curves(args, jobs)
    ranks.check_alike(facts_of_files(paths) | {"models": [job.model.hash.hex() for job in jobs]})
    results: list[Record | Failure] = []
    # no bar where stderr is a file: its end would be all that one sees of it
    shown = ranks.leads and sys.stderr is not None and sys.stderr.isatty()
    try:
        with contextlib.ExitStack() as stack:
            bar = (
                stack.enter_context(progress_bar(total=len(paths), unit="image")) if shown else None
            )
            for of_one_image in evaluate_files(
                paths, jobs, seed=args.seed, device=args.device, ranks=ranks
            ):
                if isinstance(of_one_image, Failure):
                    results.append(of_one_image)
                    if bar is not None:
                        bar.clear()  # or the message would stand behind it
                    print_error(about(of_one_image.image, of_one_image.error))
                else:
                    results += of_one_image
                if bar is not None:
                    bar.update()
    finally:
        if results:
            _report(args, results, published, several=len(paths) > 1)
    failures = sum(isinstance(result, Failure) for result in results)
    if failures and len(paths) > 1:
        print_error(f"{failures} of {len(paths)} images could not be evaluated")
    return FAILURE if failures else 0


def _report(
    args: argparse.Namespace,
    results: Sequence[Record | Failure],
    published: Curves,
    *,
    several: bool,
) -> None:
    from npuq.evaluation.records import Record, as_json, mean_records

    records = [result for result in results if isinstance(result, Record)]
    if args.json:
        print_json(as_json(results))
    elif records:
        print_table([*records, *mean_records(records)] if several else records)
    if args.bd_rate is not None and records:
        _print_bd_rates(records, args.bd_rate)
    if args.csv is not None:  # last: what cannot be written has been printed at least
        _write_csv(args.csv, results)
    if args.compressai is not None and records:
        _write_compressai(args, records)
    if args.plot is not None and records:
        from npuq.evaluation.figures import draw_rate_distortion

        draw_rate_distortion(args.plot, records, published)


def _check_curves(args: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """Check, before any work is done, that there are curves for --bd-rate to compare."""
    if args.bd_rate is None:
        return
    if args.json:
        raise NpuqError("--bd-rate prints text; leave --json out, or take npuq.bd_rate of its list")
    methods, qualities = {job.method for job in jobs}, {job.quality for job in jobs}
    if len(qualities) < 2 or len(methods) < 2 or args.bd_rate not in methods:
        raise NpuqError("--bd-rate compares curves: two qualities or more, by METHOD and another")


def _print_bd_rates(records: Sequence[Record], reference: str) -> None:
    from npuq.evaluation.curves import bd_rates

    for method, found in bd_rates(records, reference).items():
        rate = found if isinstance(found, str) else f"{found:+.1f} % bits"
        print(f"{method} beside {reference}, at equal PSNR: {rate}")


def _write_compressai(args: argparse.Namespace, records: Sequence[Record]) -> None:
    from npuq.evaluation.curves import compressai_results
    from npuq.io.atomic import write_bytes_atomically

    for result in compressai_results(records, Path(args.model).stem).values():
        path = Path(args.compressai) / f"{result['name']}.json"
        text = json.dumps(result, indent=2, allow_nan=False)
        write_bytes_atomically(path, text.encode(), b"\n")


def _quality(text: str) -> int | str:
    return text if text == "all" else whole(text)


def _check_outputs(args: argparse.Namespace, paths: Sequence[Path]) -> Curves:
    """Check, before any work is done, what is to be written; the curves of --published."""
    from npuq.io.atomic import check_can_write

    if args.csv is not None:
        check_can_write(args.csv)
        check_not_same(args.csv, args.model, *paths)
    if args.compressai is not None and not Path(args.compressai).is_dir():
        raise NpuqError(f"{args.compressai}: there is no such folder; create it first")
    return _check_plot(args, paths)


def _check_plot(args: argparse.Namespace, paths: Sequence[Path]) -> Curves:
    """Check, before any work is done, that --plot can be drawn; the curves of --published."""
    if args.plot is None:
        if args.published is not None:
            raise NpuqError("--published is drawn into --plot; give that as well")
        return {}
    from npuq.evaluation.figures import check_drawable, read_published

    check_drawable(args.plot)
    check_not_same(args.plot, args.model, args.published, *paths)
    if args.csv is not None and Path(args.plot).resolve() == Path(args.csv).resolve():
        raise NpuqError("--plot and --csv name one file; give one of them another name")
    return {} if args.published is None else read_published(args.published)


def _jobs(args: argparse.Namespace) -> list[Job]:
    from npuq.evaluation.rate_distortion import all_qualities, jobs_for, jobs_for_model
    from npuq.trained.methods import METHODS

    model = model_option(args.model, args.quality)
    if not isinstance(model, str):
        return jobs_for_model(model, None if args.method == "all" else [args.method])
    qualities = [args.quality] if isinstance(args.quality, int) else all_qualities(model)
    return jobs_for(METHODS if args.method == "all" else [args.method], qualities, model)


def _write_csv(path: str, results: Sequence[Record | Failure]) -> None:
    """A row a record; a failure fills the first column and the last, which no other does."""
    from npuq.evaluation.records import Record
    from npuq.io.atomic import write_bytes_atomically

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*Record._fields, "error"))
    for result in results:
        if isinstance(result, Record):
            writer.writerow((*result, ""))
        else:
            writer.writerow((result.image, *[""] * (len(Record._fields) - 1), result.error))
    # spelled out as on the screen: names of files need not be text
    write_bytes_atomically(path, text.getvalue().encode(errors="backslashreplace"))
