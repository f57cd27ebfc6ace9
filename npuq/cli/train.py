"""`npuq train`: a folder of photographs becomes a model, Sec. 5.2."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import shlex
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npuq.cli.common import check_not_same, load_tqdm, positive, progress_bar
from npuq.cli.settings import OF_ONE_MODEL, add_settings, given_settings
from npuq.errors import NpuqError

if TYPE_CHECKING:
    from npuq.backend import Array
    from npuq.models.linear import Loss
    from npuq.trained.model import Model
    from npuq.training.checkpoint import SavedRun
    from npuq.training.options import TrainingOptions
    from npuq.training.photographs import BatchSource

PROCEDURAL = "dead-leaves"
"""In the place of a folder: the built-in pictures. A folder of that name is ./dead-leaves."""

DEFAULT_PRESETS = {"linear": "fast-sr", "hyperprior": "fast-hyperprior-sr"}
AVERAGED_STEPS = 200  # in the figures beside the progress bar
QUIET_INTERVAL = 30.0  # seconds between two states of the bar where stderr is a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq train`."""
    from npuq.cli.presets import ListPresets
    from npuq.training.options import PRESETS

    parser.add_argument(
        "data", metavar="DIR", help=f"a folder of images, or {PROCEDURAL}: procedural pictures"
    )
    parser.add_argument(
        "out", metavar="OUT", help="the folder for checkpoint.npz, history.csv and model.npz"
    )
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        metavar="NAME",
        help="settings to begin with, see --list-presets (default: that of the resumed run, or "
        f"{' or '.join(DEFAULT_PRESETS.values())}, as --model says); the options below change "
        "single ones",
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
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: cpu)")
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
    """Train, or finish training, and save the model."""
    from npuq.backend import why_no_cupy
    from npuq.trained.file import load_model, make_model, save_model
    from npuq.training.checkpoint import saved_run
    from npuq.training.loop import train
    from npuq.training.options import softness_at
    from npuq.training.run_folder import check_folder

    out = Path(args.out)
    check_folder(out, resume=args.resume)
    check_not_same(out / "model.npz", args.init_model)
    if args.branch_from and (args.init_model or args.resume):
        other = "--init-model" if args.init_model else "--resume"
        raise NpuqError(f"--branch-from begins a new run, and {other} has it begin elsewhere")
    load_tqdm()  # what is not installed is to be missed now, not after the data was read
    start = None if args.init_model is None else load_model(args.init_model)
    begun = saved_run(out / "checkpoint.npz") if args.resume else None
    provenance = _provenance(args, start, begun)
    options = _options(args, provenance["preset"], begun)
    if args.device == "cuda" and (why_not := why_no_cupy()):
        raise NpuqError(f"--device cuda: {why_not}")
    if args.validation_crop % options.crop_multiple:
        raise NpuqError(
            f"--validation-crop must be a multiple of {options.crop_multiple}, "
            f"not {args.validation_crop}"
        )
    if start is not None:
        _check_start(start, options)
    source, validation = _data(args, options)
    progress = Progress(options.steps)
    try:
        params = train(
            source,
            validation,
            out,
            options,
            model=None if start is None else start.params,
            branch_from=args.branch_from,
            provenance=provenance,
            resume=args.resume,
            device=args.device,
            checkpoint_every=args.checkpoint_every or min(max(options.steps // 10, 1), 1000),
            progress=progress,
        )
    except KeyboardInterrupt as interruption:
        if not (out / "checkpoint.npz").exists():
            raise
        progress.close()
        again = ["npuq", *args.arguments] + ([] if args.resume else ["--resume"])
        print(f"npuq: interrupted; to go on: {shlex.join(again)}", file=sys.stderr)
        return getattr(interruption, "status", 130)
    finally:
        progress.close()
    skipped = saved_run(out / "checkpoint.npz").skipped
    if skipped:
        print(f"npuq: {skipped} steps with outlying gradients were left out", file=sys.stderr)
    model = make_model(
        params,
        # Annealed without noise, soft rounding stands for rounding, and files are rounded.
        alpha=softness_at(options, options.steps).alpha if options.quantizer == "noise" else 0.0,
        alpha_r=options.alpha_r,
        lmbda=options.lmbda,
        name=provenance["name"],
        half=options.model == "hyperprior",
        training={
            "data": provenance["data"],
            "preset": provenance["preset"],
            "options": dataclasses.asdict(options),
            "init_model": provenance["init_model"],
            "branch_from": provenance.get("branch_from"),
            "skipped": skipped,
        },
    )
    path = out / "model.npz"
    save_model(path, model)
    print(f"{path}: model {model.name}, hash {model.hash.hex()}")
    return 0


def _provenance(
    args: argparse.Namespace, start: Model | None, begun: SavedRun | None
) -> dict[str, Any]:
    """What a run depends on beside the options; where it is resumed, as it was begun."""
    from npuq.training.checkpoint import saved_run
    from npuq.training.photographs import describe_photographs

    out = Path(args.out)
    data = {"data": PROCEDURAL} if args.data == PROCEDURAL else describe_photographs(args.data)
    before = {} if begun is None else begun.provenance
    found: dict[str, Any] = {
        **data,
        "init_model": before.get("init_model"),
        "name": args.name or before.get("name", out.resolve().name),
        "preset": args.preset or before.get("preset", DEFAULT_PRESETS[args.model or "linear"]),
    }
    if "branch_from" in before:
        found["branch_from"] = before["branch_from"]
    if start is not None:
        found["init_model"] = f"{start.name} {start.hash.hex()}"
    if args.branch_from is not None:
        run = saved_run(Path(args.branch_from))
        found["branch_from"] = f"{run.provenance.get('name')} step {run.step} {run.hash}"
    return found


def _check_start(start: Model, options: TrainingOptions) -> None:
    """Check that a model can be gone on from.

    Raises:
        NpuqError: it is of another kind or size.
    """
    from npuq.training.objectives import check_start

    try:
        check_start(start.params, options)
    except ValueError as error:
        raise NpuqError(
            f"--init-model: {start.name} is of another kind or size than the new model"
        ) from error


def _options(args: argparse.Namespace, preset: str, begun: SavedRun | None) -> TrainingOptions:
    """Of the preset and the command line; of a run that is resumed, its own.

    Raises:
        NpuqError: they cannot be trained, or a run is resumed and begun with others.
    """
    from npuq.training.options import PRESETS, TrainingOptions

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
    for name, model in OF_ONE_MODEL.items():
        if name in given and options.model != model:
            raise NpuqError(f"--{name} is for the {model} model only; leave it, or change --model")
    return options


def _data(args: argparse.Namespace, options: TrainingOptions) -> tuple[BatchSource, Array]:
    """The source of batches, and the pictures that are kept aside."""
    if args.data == PROCEDURAL:
        return _procedural(options, args.validation_crop)
    from npuq.training.photographs import load_photographs, training_batch, validation_crops

    photographs = load_photographs(args.data, smaller_side_max=options.smaller_side[1])
    kept = len(photographs.validation)
    aside = f"{kept} kept aside for validation" if kept else "none to keep aside for validation"
    print(f"npuq: {len(photographs.training)} photographs for training, {aside}", file=sys.stderr)
    source = functools.partial(
        training_batch,
        photographs,
        batch_size=options.batch_size,
        crop=options.crop,
        smaller_side=options.smaller_side,
        turns=options.turns,
    )
    held_out = validation_crops(
        photographs, crop=args.validation_crop, smaller_side=options.smaller_side
    )
    return source, held_out


def _procedural(options: TrainingOptions, validation_crop: int) -> tuple[BatchSource, Array]:
    from npuq.training.dead_leaves import dead_leaves_batch, dead_leaves_validation

    source = functools.partial(dead_leaves_batch, batch_size=options.batch_size, crop=options.crop)
    return source, dead_leaves_validation(seed=options.seed, crop=validation_crop)


class Progress:
    """A bar with rate and PSNR, as means over the last steps; shown from the first step on."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.recent: deque[Loss] = deque(maxlen=AVERAGED_STEPS)
        self.bar: Any = None

    def __call__(self, step: int, loss: Loss) -> None:
        """Note the loss of a step, after which `step` steps are done."""
        if self.bar is None:
            self.bar = progress_bar(
                total=self.steps,
                initial=step - 1,
                unit="step",
                mininterval=0.2 if sys.stderr.isatty() else QUIET_INTERVAL,
            )
        self.recent.append(loss)
        bpp = sum(loss.bpp for loss in self.recent) / len(self.recent)
        mse = sum(loss.mse for loss in self.recent) / len(self.recent)
        psnr = 10 * math.log10(255**2 / mse)
        self.bar.set_postfix_str(f"{bpp:.3f} bpp, {psnr:.2f} dB", refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self.bar is not None:
            self.bar.close()
