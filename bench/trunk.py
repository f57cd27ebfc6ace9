"""The trunk: one long training of the hyperprior model, from which the shipped ones branch off.

    python bench/trunk.py train PHOTOGRAPHS RUN [--seconds S] [--device cuda] [--batch-size B]
    python bench/trunk.py snapshot RUN [PHOTOGRAPHS]
    python bench/trunk.py pack PHOTOGRAPHS FOLDER

`train` goes on with RUN, or begins it where the snapshot ends (`bench/trunk/trunk.npz`; the first
one began with a model of quality 4 of npuq 0.1.0, grown to 192 latents). The rate is constant, so
that the trunk can be left at any step: `train_weights.py` branches off it. It ends after S seconds,
or whenever it is asked to, with an exact checkpoint in RUN and a new snapshot: the averaged weights
in half precision, and how many crops they have seen. With `--parity` the device first has to agree
with the CPU in the tests for that. `pack` makes photographs small enough to travel to a machine
with a GPU.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from held_out import held_out_loss
from PIL import Image
from recipe import LMBDA, RECIPE, words

from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.make import make_model
from npuq.trained.model_file import load_model, save_model
from npuq.training.checkpoint import load_branch, saved_run
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions

HERE = Path(__file__).parent
SNAPSHOT = HERE / "trunk" / "trunk.npz"
OPTIONS = RECIPE | {
    "--preset": "fast-hyperprior-un",
    "--lmbda": str(LMBDA),
    "--rate-schedule": "constant",
    "--warmup-steps": "200",
    "--average-steps": "2000",
    "--steps": "10000000",
    "--checkpoint-every": "1000",
    "--name": "hyperprior-trunk",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("photographs", type=Path)
    command.add_argument("run", type=Path)
    command.add_argument("--seconds", type=float)
    command.add_argument("--device", default="cpu")
    command.add_argument("--batch-size", type=int, default=int(RECIPE["--batch-size"]))
    command.add_argument("--parity", action="store_true")
    command.set_defaults(do=train)
    command = commands.add_parser("snapshot")
    command.add_argument("run", type=Path)
    command.add_argument("photographs", type=Path, nargs="?")
    command.set_defaults(do=snapshot)
    command = commands.add_parser("pack")
    command.add_argument("photographs", type=Path)
    command.add_argument("folder", type=Path)
    command.add_argument("--smaller-side", type=int, default=800)
    command.add_argument("--quality", type=int, default=88)
    command.set_defaults(do=pack)
    args = parser.parse_args()
    args.do(args)


def train(args: argparse.Namespace) -> None:
    """Train until asked to end, then write the snapshot."""
    if args.parity:
        tests = [
            "-m",
            "pytest",
            "-q",
            str(HERE.parent / "tests" / "unit" / "test_backend_parity.py"),
        ]
        subprocess.run([sys.executable, *tests], check=True, cwd=HERE.parent)
    begun = (args.run / "checkpoint.npz").exists()
    command = [sys.executable, "-m", "npuq", "train", str(args.photographs), str(args.run)]
    if begun:
        command += ["--resume"]
    else:
        # the seed is the number of crops before: so no crop is seen again, and none is forgotten
        crops = load_model(SNAPSHOT).training["crops"]
        own = {"--batch-size": str(args.batch_size), "--seed": str(crops)}
        command += words(OPTIONS | own | {"--init-model": str(SNAPSHOT)})
    command += ["--device", args.device]
    before = saved_run(args.run / "checkpoint.npz").step if begun else 0
    begin = time.monotonic()
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(signal.SIGTERM))
    try:
        process.wait(args.seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.send_signal(signal.SIGINT)
        process.wait()
    seconds = time.monotonic() - begin
    steps = saved_run(args.run / "checkpoint.npz").step - before
    print(f"{steps} steps in {seconds:.0f} s", flush=True)
    snapshot(argparse.Namespace(run=args.run, photographs=None))


def snapshot(args: argparse.Namespace) -> None:
    """Write the averaged weights of a run's checkpoint, and say how good they are."""
    checkpoint = args.run / "checkpoint.npz"
    run = saved_run(checkpoint)
    options = TrainingOptions(**run.options | {"size": tuple(run.options["size"])})
    objective = objective_of(options)
    like = objective.initial(None)
    average = load_branch(checkpoint, named_arrays(like)).average
    crops = options.seed + run.step * options.batch_size
    model = make_model(
        objective.to_model(with_arrays(like, average)),
        alpha=0.0,
        lmbda=options.lmbda,
        name=run.provenance["name"],
        half=True,
        training={"crops": crops, "options": run.options, **run.provenance},
    )
    save_model(SNAPSHOT, model)
    print(f"{SNAPSHOT}: after {crops} crops")
    if args.photographs is not None:
        found = held_out_loss(args.photographs, model)
        print(", ".join(f"{name} {value:.4f}" for name, value in found.items()))


def pack(args: argparse.Namespace) -> None:
    """Write small copies of photographs, under the same names, so that the same are kept aside."""
    total = 0
    for path in list_images(args.photographs):
        picture = Image.fromarray(read_image(path))
        scale = min(args.smaller_side / min(picture.size), 1.0)
        picture = picture.resize([round(side * scale) for side in picture.size], Image.LANCZOS)
        out = args.folder / path.relative_to(args.photographs).with_suffix(".webp")
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(out, quality=args.quality, method=6)
        total += out.stat().st_size
    print(f"{total / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
