"""What is measured on a GPU: ceilings, steps beside PyTorch's, the density and GDN alone, training.

Each part yields records, one by one, which `on_gpu.py` writes down at once.
"""

from __future__ import annotations

import functools
import gc
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import peer

from npuq.backend import to_device, to_host
from npuq.kernels.cuda.precision import PRECISIONS, precision
from npuq.models.hyperprior import SIZES
from npuq.models.noisy_rate import Softness, noisy_rate_forward
from npuq.nn import nonparametric
from npuq.nn.adam import adam_init
from npuq.nn.gdn import gdn, gdn_backward
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.nn.products import product
from npuq.trained.make import make_model
from npuq.trained.model import Model
from npuq.trained.model_file import load_model, save_model
from npuq.training.checkpoint import TrainingState, load_branch, saved_run
from npuq.training.kinds import objective_of
from npuq.training.loop import train_parameters
from npuq.training.options import TrainingOptions
from npuq.training.photographs import Photographs, load_photographs
from npuq.training.random_crops import RandomCrops
from npuq.training.step import noise_of_step
from npuq.training.train import DEAD_LEAVES

Records = Iterator[dict[str, Any]]
ROUNDS = 5


def versions(dry: bool) -> Records:
    """What is there."""
    import cupy

    yield {"cupy": getattr(cupy, "__version__", "stand-in"), "dry": dry}
    if not dry:
        properties = cupy.cuda.runtime.getDeviceProperties(0)
        yield {
            "card": properties["name"].decode(),
            "multiprocessors": properties["multiProcessorCount"],
            "memory": properties["totalGlobalMem"],
            "runtime": cupy.cuda.runtime.runtimeGetVersion(),
            "driver": cupy.cuda.runtime.driverGetVersion(),
        }
    for name in ("numpy", "scipy", "numba", "torch"):
        module = peer(name)
        yield {"package": name, "version": None if module is None else module.__version__}


def ceilings(dry: bool) -> Records:
    """Copies, and products in each precision: what everything else is measured against."""
    import cupy

    side, many = (64, 2) if dry else (8192, 10)
    a = cupy.ones((side, side), np.float32)
    out = cupy.empty_like(a)

    def copy() -> None:
        out[...] = a

    seconds = timed(copy, many)
    yield {"ceiling": "copy", "bytes per second": 2 * a.nbytes / seconds}
    for name in PRECISIONS:
        with precision(name):
            seconds = timed(lambda: product(a, a), many)
        yield {"ceiling": f"product, {name}", "operations per second": 2 * side**3 / seconds}
    b = cupy.ones((side // 2, side // 2), np.float64)
    seconds = timed(lambda: b @ b, many)
    yield {"ceiling": "product, float64", "operations per second": 2 * (side // 2) ** 3 / seconds}


def alone(dry: bool) -> Records:
    """The density of the linear model and a GDN, there and back, by achieved bytes."""
    rng = np.random.default_rng(0)
    channels, count = (192, 16) if dry else (192, 8 * 32 * 32)
    y, u = rng.normal(0, 3, (channels, count)), rng.random((channels, count)) - 0.5
    density = nonparametric.init(rng, channels, init_scale=2.0)
    there = with_arrays(
        density, {n: to_device(a, "cuda") for n, a in named_arrays(density).items()}
    )
    y, u = (to_device(a.astype(np.float32), "cuda") for a in (y, u))
    for name, softness in (("UN", Softness()), ("UN+SR", Softness(8.0, 8.0, True, True))):
        seconds = timed(lambda softness=softness: noisy_rate_forward(y, u, there, softness), 20)
        yield {"alone": f"density, {name}", "ms": 1e3 * seconds, "bytes": 5 * y.nbytes,
               "bytes per second": 5 * y.nbytes / seconds}  # fmt: skip
    C, shape = (16, (1, 8, 8)) if dry else (128, (8, 128, 128))
    x = to_device(rng.normal(0, 1, (*shape, C)).astype(np.float32), "cuda")
    beta, gamma = np.ones(C, np.float32), rng.random((C, C)).astype(np.float32) / C
    beta, gamma = to_device(beta, "cuda"), to_device(gamma, "cuda")

    def both() -> None:
        gdn(x, beta, gamma)
        gdn_backward(x, x, beta, gamma)

    for name in PRECISIONS:
        with precision(name):
            seconds = timed(both, 2 if dry else 20)
        operations = 8 * x.size * C  # a product there, again on the way back, and two more
        yield {"alone": f"GDN, {name}", "ms": 1e3 * seconds,
               "bytes per second": 7 * x.nbytes / seconds,
               "operations per second": operations / seconds}  # fmt: skip


def graphs(dry: bool) -> Records:
    """Whether recorded steps are those that are not, bit for bit."""
    for case, options in cases(dry, short=True):
        found = []
        for recorded in (False, True):
            steps = begun(options, graphs=recorded)
            losses = [tuple(loss) for loss in advanced(steps, 0, 3)]
            found.append((losses, digest(steps.state()), steps.graphs.refused))
            del steps
            gc.collect()
        same = found[0][:2] == found[1][:2]
        yield {"case": case, "same": same, "refused": list(found[1][2].values())}


def steps(dry: bool, *, short: bool = False) -> Records:
    """Milliseconds a step of ours, of all kinds, and then of PyTorch's, shown to be the same."""
    kinds = [
        (case, options, name) for case, options in cases(dry, short=short) for name in PRECISIONS
    ]
    ours: dict[tuple[str, str], float] = {}
    for how in ("npuq", "eager", "channels last", "compiled"):
        if how != "npuq" and (peer("torch") is None or dry):
            yield {"PyTorch": how, "left out": True}
            continue
        for case, options, name in kinds:
            record: dict[str, Any] = {"step": case, "precision": name, "of": how}
            try:
                if how == "npuq":
                    found = of_ours(options, name, dry)
                    ours[case, name] = found["ms"]
                else:
                    found = theirs(options, name, how)
                    if (case, name) in ours:
                        found["npuq relative to it"] = ours[case, name] / found["ms"]
                record |= found
            except Exception as error:
                record["error"] = f"{type(error).__name__}: {error}"
            gc.collect()
            yield record


def of_ours(options: TrainingOptions, name: str, dry: bool) -> dict[str, Any]:
    """A step of ours: the median of rounds of 50, in each of which the host waits once."""
    run = begun(options, precision=name)
    done, count = (1, 1) if dry else (3, 50)
    advanced(run, 0, done)
    times: list[float] = []
    for _ in range(1 if dry else ROUNDS):
        begin = time.perf_counter()
        advanced(run, done, count)
        times.append((time.perf_counter() - begin) / count)
        done += count
    seconds = float(np.median(times))
    return {"ms": 1e3 * seconds, "operations per second": operations_of(options) / seconds,
            "refused": list(run.graphs.refused.values())}  # fmt: skip


def theirs(options: TrainingOptions, name: str, how: str) -> dict[str, Any]:
    """A step of PyTorch's on our first batch and noise, its loss and gradients held beside ours."""
    from gpu_peer import hyperprior_loss, linear_loss
    from speed.step import check_same

    t = peer("torch")
    t.backends.cuda.matmul.allow_tf32 = t.backends.cudnn.allow_tf32 = name == "tf32"
    objective = objective_of(options, "cuda")
    start = objective_of(options).initial(None)
    images, noise = pictures(options)(seed=0, step=0), noise_of_step(options.seed, 0)
    inputs = objective.inputs(images, noise)
    # our gradients of the model's own parameters
    model = objective_of(options).to_model(start)
    plain = objective_of(TrainingOptions(**{**vars(options), "coordinates": "pixel"}), "cuda")
    if options.model == "linear":
        plain = plain._replace(basis=type(plain.basis)(*(_eye() for _ in range(2))))
    there = with_arrays(model, {n: to_device(a, "cuda") for n, a in named_arrays(model).items()})
    arrays = tuple(to_device(a, "cuda") for a in inputs)
    loss, gradient = plain.loss_and_gradient(there, arrays, options.lmbda, Softness())
    ours = float(loss.loss), {n: to_host(a) for n, a in named_arrays(gradient).items()}
    weights = {
        n: t.tensor(a, device="cuda", requires_grad=True) for n, a in named_arrays(model).items()
    }
    last = t.channels_last if how != "eager" else t.contiguous_format
    x = t.tensor(images, device="cuda").permute(0, 3, 1, 2).float()
    if options.model == "linear":
        B, side = options.batch_size, options.crop // 8
        u = t.tensor(inputs[1].reshape(192, B, side, side), device="cuda").permute(1, 0, 2, 3)
        rest, function = (x, u.contiguous(memory_format=last)), linear_loss
    else:
        noises = (t.tensor(a, device="cuda").permute(0, 3, 1, 2) for a in inputs[1:])
        rest = ((x / 255).contiguous(memory_format=last),
                *(u.contiguous(memory_format=last) for u in noises))  # fmt: skip
        function = hyperprior_loss
    compute = functools.partial(function, t)
    if how == "compiled":
        compute = t.compile(compute, mode="reduce-overhead")
    optimiser = t.optim.Adam(weights.values(), lr=1e-4, fused=True)

    def step() -> Any:
        optimiser.zero_grad()
        value = compute(weights, *rest, options.lmbda)
        value.backward()
        return value

    value = step()
    check_same(ours, (value.item(), {n: w.grad.cpu().numpy() for n, w in weights.items()}),
               tolerance=3e-2)  # fmt: skip

    def whole() -> None:
        step()
        optimiser.step()

    for _ in range(3):
        whole()
    t.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(30):
        whole()
    t.cuda.synchronize()
    return {"ms": 1e3 * (time.perf_counter() - begin) / 30}


def cases(dry: bool, *, short: bool) -> Iterator[tuple[str, TrainingOptions]]:
    """The kinds of steps: both models, all sizes, batches of 8 and 16."""
    if dry:
        tiny: dict[str, Any] = {"batch_size": 1, "steps": 100, "smaller_side": (64, 80)}
        yield (
            "hyperprior, tiny",
            TrainingOptions(model="hyperprior", size=(4, 6), crop=64, start="klt", **tiny),
        )
        return
    for batch in (8,) if short else (8, 16):
        settings: dict[str, Any] = {"batch_size": batch, "crop": 256, "steps": 100_000}
        yield f"linear, batch {batch}", TrainingOptions(**settings)
        for size in ("base",) if short else SIZES:
            yield (
                f"{size}, batch {batch}",
                TrainingOptions(
                    model="hyperprior",
                    size=SIZES[size],
                    start="klt",
                    learning_rate=1e-4,
                    **settings,
                ),
            )


def pictures(options: TrainingOptions) -> RandomCrops:
    """Noise in place of photographs, of their usual size."""
    rng = np.random.default_rng(0)
    high, wide = 4 * options.crop, 5 * options.crop
    images = tuple(rng.integers(0, 256, (high, wide, 3), np.uint8) for _ in range(4))
    sides = options.crop, 3 * options.crop
    return RandomCrops(Photographs(images, ()), options.batch_size, options.crop, sides, False)


def begun(options: TrainingOptions, **more: Any) -> Any:
    """A run on the device, before its first step."""
    from npuq.training.device_steps import DeviceSteps

    like = objective_of(options).initial(None)
    params = named_arrays(like)
    state = TrainingState(0, params, adam_init(params), {}, [])
    objective = objective_of(options, "cuda")
    return DeviceSteps(state, like, objective, pictures(options), options, options.steps, **more)


def advanced(steps: Any, done: int, count: int) -> list[Any]:
    """Do so many steps after those that are done; a state is not asked for, as it copies all."""
    losses: list[Any] = []
    while len(losses) < count:
        losses += steps.advance(done + count)
    return losses


def digest(state: TrainingState) -> int:
    """Of all parameters and moments."""
    import zlib

    crc = 0
    for group in (state.params, state.adam.m, state.adam.v):
        for array in group.values():
            crc = zlib.crc32(np.ascontiguousarray(to_host(array)).tobytes(), crc)
    return crc


def operations_of(options: TrainingOptions) -> float:
    """Of the products of a step by their definition: forward, and twice that on the way back."""
    pixels = options.batch_size * options.crop**2
    if options.model == "linear":
        return 3 * 2 * 2 * 192 * 192 * pixels / 64
    N, M = options.size
    at = [pixels / 4**n for n in range(7)]  # pixels of each grid
    forward = 25 * (3 * N * at[1] + N * N * (at[2] + at[3]) + N * M * at[4])
    forward *= 2  # the synthesis mirrors the analysis
    forward += 9 * M * N * at[4] + 25 * N * N * (at[5] + at[6])
    forward += 25 * (N * M * at[6] + M * M * 1.5 * at[5]) + 9 * 1.5 * M * 2 * M * at[4]
    forward += N * N * 2 * (at[1] + at[2] + at[3])  # GDN
    return 3 * 2 * forward


def timed(function: Callable[[], Any], many: int) -> float:
    """Seconds of one call, of many that follow each other."""
    import cupy

    function()
    cupy.cuda.get_current_stream().synchronize()
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(many):
            function()
        cupy.cuda.get_current_stream().synchronize()
        times.append((time.perf_counter() - begin) / many)
    return float(np.median(times))


def _eye() -> Any:
    return to_device(np.eye(192, dtype=np.float32), "cuda")


def training(
    dry: bool, out: Path, photographs: str, seconds: float, *, trunk: str | None = None
) -> Records:
    """A run of the hyperprior model for as long as there is time; its model at 60 % and the end.

    A new one, or on from the snapshot of a trunk, with its options. SIGTERM ends it early, with the
    model that there is.
    """
    deadline = time.monotonic() + seconds
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings: dict[str, Any] = {
        "model": "hyperprior", "size": (4, 6) if dry else SIZES["base"], "start": "klt",
        "crop": 64 if dry else 256, "batch_size": 1 if dry else 8, "learning_rate": 1e-4,
        "clip_norm": 1.0, "rate_schedule": "constant", "average_steps": 2 if dry else 1000,
    }  # fmt: skip
    start = load_model(trunk) if trunk else None
    if start is not None:
        settings = of_the_trunk(start, batch_size=1 if dry else 8)
    planned = TrainingOptions(**settings, steps=1000)
    source = pictures(planned)
    if photographs != DEAD_LEAVES:
        found = load_photographs(
            photographs, smaller_side_max=planned.smaller_side[1], threads=os.cpu_count() or 2
        )
        source = source._replace(photographs=found, smaller_side=planned.smaller_side)
    count = 1 if dry else 100
    probe = begun(planned, precision="tf32")
    advanced(probe, 0, count)  # kernels are compiled
    begin = time.monotonic()
    advanced(probe, count, count)
    each = (time.monotonic() - begin) / count
    del probe
    gc.collect()
    steps = 3 if dry else max(100, int(0.9 * (deadline - time.monotonic()) / each))
    if start is None:  # a trunk has no end
        settings["cooldown_steps"] = steps // 5
    options = TrainingOptions(**settings, steps=steps)
    yield {"training": "planned", "steps": steps, "seconds a step": each}
    name = "on-gpu" if start is None else start.name
    folder = Path(tempfile.mkdtemp())  # checkpoints are too large to come back
    none = np.zeros((0, options.crop, options.crop, 3), np.uint8)
    for part in (0.6, 1.0):
        stop = math.ceil(part * steps)
        try:
            train_parameters(
                source, none, folder, options, resume=part > 0.6, device="cuda",
                model=None if start is None else start.params, precision="tf32",
                checkpoint_every=max(steps // 5, 1), stop_after=stop,
            )  # fmt: skip
        except KeyboardInterrupt:
            yield saved(folder, out, options, 0, deadline, name)
            return
        yield saved(folder, out, options, int(100 * part), deadline, name)


def of_the_trunk(start: Model, *, batch_size: int) -> dict[str, Any]:
    """Options to go on with: those of its run, and as seed the crops before (`bench/trunk.py`)."""
    settings: dict[str, Any] = dict(start.training["options"])
    settings |= {
        "size": tuple(settings["size"]), "smaller_side": tuple(settings["smaller_side"]),
        "seed": start.training["crops"], "batch_size": batch_size, "noise": "philox",
    }  # fmt: skip
    del settings["steps"]
    return settings


def saved(
    folder: Path, out: Path, options: TrainingOptions, part: int, deadline: float, name: str
) -> dict[str, Any]:
    """Make a model file of a run's checkpoint, which is small enough to come back."""
    checkpoint, objective = folder / "checkpoint.npz", objective_of(options)
    if (folder / "history.csv").exists():
        shutil.copy(folder / "history.csv", out)
    like = objective.initial(None)
    average = load_branch(checkpoint, named_arrays(like)).average
    trained = objective.to_model(with_arrays(like, average))
    run = saved_run(checkpoint)
    crops = options.seed + run.step * options.batch_size
    model = make_model(
        trained, alpha=0.0, lmbda=options.lmbda, name=name, half=True,
        training={"crops": crops, "options": run.options},
    )  # fmt: skip
    path = out / f"model-{part}.npz"
    save_model(path, model)
    step = run.step
    return {"training": "saved", "file": path.name, "step": step,
            "left": deadline - time.monotonic()}  # fmt: skip
