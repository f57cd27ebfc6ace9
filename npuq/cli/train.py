"""`npuq train`: a folder of photographs becomes a model, Sec. 5.2."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from npuq.cli.common import check_not_same, load_tqdm, positive
from npuq.cli.device import add_device
from npuq.cli.settings import add_settings, given_settings
from npuq.cli.training_progress import Progress
from npuq.errors import NpuqError

if TYPE_CHECKING:
    from npuq.training.checkpoint import SavedRun
    from npuq.training.options import TrainingOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq train`."""
    from npuq.cli.presets import ListPresets
    from npuq.training.kinds import TRAINABLE
    from npuq.training.presets import PRESETS

    presets = [kind.preset for kind in TRAINABLE.values()]
    parser.add_argument(
        "data", metavar="DIR", help="a folder of images, or dead-leaves: procedural pictures"
    )
    parser.add_argument(
        "out", metavar="OUT", help="the folder for checkpoint.npz, history.csv and model.npz"
    )
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        metavar="NAME",
        help="settings to begin with, see --list-presets (default: that of the resumed run, or "
        f"{' or '.join(presets)}, as --model says); the options below change single ones",
    )
    parser.add_argument(
        "--list-presets", action=ListPresets, help="print names and values of all presets, and end"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from OUT/checkpoint.npz; all settings are those it was begun with",
    )
    parser.add_argument(
        "--init-model",
        metavar="PATH",
        help="start from a model's parameters; one of fewer latents is grown to --size",
    )
    parser.add_argument(
        "--branch-from",
        metavar="PATH",
        help="start from another run's checkpoint: its parameters and Adam's moments, with other "
        "settings and more steps, if you like",
    )
    parser.add_argument("--name", help="of the model, for reports (default: that of OUT)")
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=("float32", "tf32"),
        default="float32",
        help="of products on cuda; tf32 is faster and rougher (default: float32)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="N",
        help="steps between checkpoints and validations (default: a tenth of all, at most 1000)",
    )
    parser.add_argument(
        "--validation-crop",
        type=positive,
        default=512,
        metavar="N",
        help="size of the held-out pictures, a multiple of what the crops are one of "
        "(default: 512)",
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Train, or finish training, and say where the model is."""
    from npuq.ranks.launch import world
    from npuq.trained.model_file import load_model
    from npuq.training.checkpoint import saved_run
    from npuq.training.kinds import TRAINABLE
    from npuq.training.run_folder import check_folder
    from npuq.training.settings import Settings
    from npuq.training.train import train

    ranks = world()
    if not ranks.leads:
        warnings.simplefilter("ignore")  # rank 0 sees the same photographs
    out = Path(args.out)
    ranks.from_lead(lambda: check_folder(out, resume=args.resume))
    check_not_same(out / "model.npz", args.init_model)
    if args.branch_from and (args.init_model or args.resume):
        other = "--init-model" if args.init_model else "--resume"
        raise NpuqError(f"--branch-from begins a new run, and {other} has it begin elsewhere")
    load_tqdm()  # what is not installed is to be missed now, not after the data was read
    start = None if args.init_model is None else load_model(args.init_model)
    begun = None
    if args.resume:
        begun = ranks.from_lead(lambda: saved_run(out / "checkpoint.npz"))
    before = {} if begun is None else begun.provenance
    preset = args.preset or before.get("preset", TRAINABLE[args.model or Settings.model].preset)
    options = _options(args, preset, begun)
    if args.device == "cuda":
        ranks.take_device()
    if args.validation_crop % options.crop_multiple:
        raise NpuqError(
            f"--validation-crop must be a multiple of {options.crop_multiple}, "
            f"not {args.validation_crop}"
        )
    if args.precision != "float32" and args.device == "cpu":
        raise NpuqError(f"--precision {args.precision} is for --device cuda; leave it out")
    progress = Progress(options.steps)
    try:
        model = train(
            args.data,
            out,
            options,
            name=args.name,
            preset=preset,
            start=start,
            branch_from=args.branch_from,
            resume=args.resume,
            device=args.device,
            precision=args.precision,
            validation_crop=args.validation_crop,
            checkpoint_every=args.checkpoint_every,
            progress=progress if ranks.leads else None,
            report=_report if ranks.leads else None,
            ranks=ranks,
        )
    except KeyboardInterrupt as interruption:
        if not ranks.leads and getattr(interruption, "together", False):
            return 0  # rank 0 says it
        if not ranks.leads or not (out / "checkpoint.npz").exists():
            raise
        progress.close()
        again = ["npuq", *args.arguments] + ([] if args.resume else ["--resume"])
        if ranks.size > 1:
            again = ["mpiexec", "-n", str(ranks.size), *again]
        print(f"npuq: interrupted; to go on: {shlex.join(again)}", file=sys.stderr)
        return getattr(interruption, "status", 130)
    finally:
        progress.close()
    if ranks.leads:
        print(f"{out / 'model.npz'}: model {model.name}, hash {model.hash.hex()}")
    return 0


def _report(text: str) -> None:
    print(f"npuq: {text}", file=sys.stderr)


def _options(args: argparse.Namespace, preset: str, begun: SavedRun | None) -> TrainingOptions:
    """Of the preset and the command line; of a run that is resumed, its own.

    Raises:
        NpuqError: they cannot be trained, or a run is resumed and begun with others.
    """
    from npuq.training.kinds import TRAINABLE
    from npuq.training.options import TrainingOptions
    from npuq.training.presets import PRESETS

    given = given_settings(args)
    if begun is None:
        settings = PRESETS[preset] | given
    else:
        # what is not given is as it was; what is given must be so, as `load_checkpoint` sees to
        chosen = {} if args.preset is None else PRESETS[preset]
        settings = begun.options | chosen | given
        for name in ("size", "smaller_side"):
            settings[name] = tuple(settings[name])
        settings["lmbda_decay"] = tuple(map(tuple, settings["lmbda_decay"]))
    try:
        options = TrainingOptions(**settings)
    except (TypeError, ValueError) as error:
        raise NpuqError(str(error)) from error
    for model, kind in TRAINABLE.items():
        for name in kind.own:
            if name in given and options.model != model:
                raise NpuqError(
                    f"--{name} is for the {model} model only; leave it, or change --model"
                )
    return options
