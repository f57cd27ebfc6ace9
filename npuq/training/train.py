"""From photographs to a model file in one call: data, loop, integers, file (Sec. 5.2).

The loop is `npuq.training.loop`; a run can also be made from batches of one's own there.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npuq.backend import Array
from npuq.errors import TrainingError
from npuq.ranks.alone import ALONE, Ranks
from npuq.ranks.sums import digest
from npuq.trained.kinds import KINDS
from npuq.trained.make import make_model
from npuq.trained.model import Model
from npuq.trained.model_file import save_model
from npuq.training.checkpoint import file_hash, saved_run
from npuq.training.dead_leaves import dead_leaves_batch, dead_leaves_validation
from npuq.training.kinds import TRAINABLE
from npuq.training.loop import Progress, train_parameters
from npuq.training.options import TrainingOptions
from npuq.training.photographs import (
    BatchSource,
    describe_photographs,
    load_photographs,
    validation_crops,
)
from npuq.training.random_crops import RandomCrops
from npuq.training.run_folder import check_folder
from npuq.training.schedules import softness_at

DEAD_LEAVES = "dead-leaves"
"""In the place of a folder: the built-in pictures. A folder of that name is ./dead-leaves."""


def train(
    photographs: str | Path,
    folder: str | Path,
    options: TrainingOptions,
    *,
    name: str | None = None,
    preset: str | None = None,
    start: Model | None = None,
    branch_from: str | Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    precision: str = "float32",
    validation_crop: int = 512,
    checkpoint_every: int | None = None,
    progress: Progress | None = None,
    report: Callable[[str], None] | None = None,
    ranks: Ranks = ALONE,
) -> Model:
    """Train a model on photographs and write it to `model.npz` in the folder (Sec. 5.2).

    Example:
        >>> from npuq.training.options import TrainingOptions
        >>> from npuq.training.presets import PRESETS
        >>> options = TrainingOptions(**PRESETS["fast-sr"])
        >>> model = train("photographs", "run", options)  # and run/model.npz
        >>> data = npuq.compress(image, model=model)

    Args:
        photographs: a folder of images, or "dead-leaves" for procedural pictures.
        folder: of the run; made if it is not there. It also gets `checkpoint.npz` and
            `history.csv`.
        options: settings.
        name: of the model, for reports; by default that of the folder.
        preset: the name of the settings that the options were made of, for reports.
        start: a model whose parameters to start from, instead of a fresh initialisation.
        branch_from: checkpoint of another run whose parameters and moments are the start.
        resume: go on from the folder's checkpoint; everything else must be as it was begun with.
        device: "cpu" or "cuda".
        precision: of products on a CUDA device, "float32" or "tf32", which is faster and rougher.
        validation_crop: size of the held-out pictures, a multiple of `options.crop_multiple`.
        checkpoint_every: steps between checkpoints and validations; by default a tenth of all, at
            most 1000.
        progress: called with (step, loss) after each step.
        report: called with what is worth knowing, in words.
        ranks: that train together, see `npuq.ranks`.

    Returns:
        The model in the file.

    Raises:
        InvalidImageError: there are no photographs.
        TrainingError: as `npuq.training.loop.train_parameters`; or the start is of another kind or
            size than the options say, or the size of held-out pictures is none.
        RankError: the ranks see other photographs or run another npuq; or as `train_parameters`.
        ModelError: the parameters are too large for the integers that they are made into.
        KeyboardInterrupt: passed on, after a checkpoint was written.
    """
    folder = Path(folder)
    ranks.from_lead(lambda: check_folder(folder, resume=resume))
    if validation_crop % options.crop_multiple:
        raise TrainingError(
            f"the size of held-out pictures must be a multiple of {options.crop_multiple}, "
            f"not {validation_crop}"
        )
    if start is not None:
        try:
            TRAINABLE[options.model].check_start(start.params, options)
        except ValueError as error:
            raise TrainingError(
                f"{start.name} is of another kind or size than the new model: {error}"
            ) from error
    checkpoint = folder / "checkpoint.npz"
    before = ranks.from_lead(lambda: saved_run(checkpoint).provenance) if resume else {}
    provenance = _provenance(photographs, folder, before, name, preset, start, branch_from)
    ranks.check_alike(dataclasses.asdict(options) | provenance)
    source, held_out = _data(photographs, options, validation_crop, ranks, report)
    params = train_parameters(
        source,
        held_out,
        folder,
        options,
        model=None if start is None else start.params,
        branch_from=branch_from,
        provenance=provenance,
        resume=resume,
        device=device,
        precision=precision,
        checkpoint_every=checkpoint_every or min(max(options.steps // 10, 1), 1000),
        progress=progress,
        ranks=ranks,
    )
    run = ranks.from_lead(lambda: saved_run(checkpoint))
    skipped = run.skipped
    if report is not None and (cost := ranks.cost()) is not None:
        report(cost)
    if skipped and report is not None:
        report(f"{skipped} steps with outlying gradients were left out")
    model = make_model(
        params,
        # Annealed without noise, soft rounding stands for rounding, and files are rounded.
        alpha=softness_at(options, options.steps).alpha if options.quantizer == "noise" else 0.0,
        alpha_r=options.alpha_r,
        lmbda=options.lmbda,
        name=provenance["name"],
        half=KINDS[options.model].is_halved,
        training={
            "data": provenance["data"],
            "preset": provenance["preset"],
            "options": dataclasses.asdict(options),
            "init_model": provenance["init_model"],
            "branch_from": provenance.get("branch_from"),
            "skipped": skipped,
            **({"ranks": run.ranks} if run.ranks != [[0, 1]] else {}),
        },
    )
    if ranks.leads:
        save_model(folder / "model.npz", model)
    return model


def _provenance(
    photographs: str | Path,
    folder: Path,
    before: dict[str, Any],
    name: str | None,
    preset: str | None,
    start: Model | None,
    branch_from: str | Path | None,
) -> dict[str, Any]:
    """What a run depends on beside the options; where it is resumed, as it was before."""
    data = {"data": DEAD_LEAVES}
    if photographs != DEAD_LEAVES:
        data = describe_photographs(photographs)
    found: dict[str, Any] = {
        **data,
        "init_model": before.get("init_model"),
        "name": name or before.get("name", folder.resolve().name),
        "preset": preset or before.get("preset"),
    }
    if "branch_from" in before:
        found["branch_from"] = before["branch_from"]
    if start is not None:
        found["init_model"] = f"{start.name} {start.hash.hex()}"
    if branch_from is not None:
        run, digest = saved_run(Path(branch_from)), file_hash(Path(branch_from))
        found["branch_from"] = f"{run.provenance.get('name')} step {run.step} {digest}"
    return found


def _data(
    photographs: str | Path,
    options: TrainingOptions,
    validation_crop: int,
    ranks: Ranks,
    report: Callable[[str], None] | None,
) -> tuple[BatchSource, Array]:
    """The source of this rank's part of each batch, and the pictures that are kept aside."""
    part = ranks.share(options.batch_size).part
    batch: dict[str, Any] = {"batch_size": options.batch_size, "crop": options.crop, "part": part}
    if photographs == DEAD_LEAVES:
        held_out = dead_leaves_validation(seed=options.seed, crop=validation_crop)
        return functools.partial(dead_leaves_batch, **batch), held_out
    found = load_photographs(photographs, smaller_side_max=options.smaller_side[1])
    if ranks.size > 1:  # what files of the same names and sizes hold, and how they are decoded
        ranks.check_alike({"pixels": digest(dict(enumerate(found.training + found.validation)))})
    if report is not None:
        kept = len(found.validation)
        aside = f"{kept} kept aside for validation" if kept else "none to keep aside for validation"
        report(f"{len(found.training)} photographs for training, {aside}")
    source = RandomCrops(found, **batch, smaller_side=options.smaller_side, turns=options.turns)
    return source, validation_crops(found, crop=validation_crop, smaller_side=options.smaller_side)
