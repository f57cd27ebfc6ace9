"""How long a training step and the entropy coder take on this machine.

    python bench/speed.py [--json PATH]

The training step (batch 8 of 256x256, from pixels in memory to updated parameters) stands beside
the same model in PyTorch, eager, on the same cores; both are first shown to compute the same loss
and gradients, then timed in turns (A B A B ...). Without PyTorch that part is left out. The coder
is timed on a picture's symbols under a model that comes with the package.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

# OpenBLAS's threads spin after each product and would steal the cores; as `npuq` itself does it.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

import numpy as np  # noqa: E402

from npuq import codec  # noqa: E402
from npuq.backend import Array  # noqa: E402
from npuq.dead_leaves import dead_leaves  # noqa: E402
from npuq.models import linear  # noqa: E402
from npuq.models.noisy_rate import Softness  # noqa: E402
from npuq.nn.adam import adam_init, adam_step  # noqa: E402
from npuq.nn.parameters import named_arrays  # noqa: E402
from npuq.shipped import shipped_model  # noqa: E402

LMBDA = 0.0125
ROUNDS = 7
CASES = {"UN": Softness(), "UN+SR, expected gradients": Softness(8.0, 8.0, True, True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="PATH")
    args = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "step": [], "coder": coder()}
    for name, softness in CASES.items():
        report["step"].append({"case": name} | step(softness))
    print(f"\n{report['machine']}\n")
    print(f"{'training step':28} {'npuq':>9} {'PyTorch':>9} {'ratio':>7}")
    for row in report["step"]:
        peer = row.get("pytorch_ms")
        print(f"{row['case']:28} {row['npuq_ms']:6.1f} ms ", end="")
        print(f"{peer:6.1f} ms {row['ratio']:7.2f}" if peer else "  PyTorch is not installed")
    print("\ncoder, million symbols a second    encode  decode")
    for row in report["coder"]:
        print(f"{row['method']:10} {row['source']:22} {row['encode']:8.1f} {row['decode']:7.1f}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(report, file, indent=1)


def machine() -> dict[str, Any]:
    import numba

    found = {"cores": os.cpu_count(), "python": platform.python_version()}
    found |= {"numpy": np.__version__, "numba": numba.__version__, "processor": processor()}
    if torch() is not None:
        found["torch"] = torch().__version__
    return found


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("model name")]
        return lines[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor()


def torch() -> Any:
    try:
        import torch as module
    except ImportError:
        return None
    return module


def median_times(functions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds, medians over rounds in which each function runs once."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def step(softness: Softness) -> dict[str, float]:
    rng = np.random.default_rng(0)
    images = np.stack([dead_leaves(256, 256, seed=seed) for seed in range(8)])
    params = linear.init(rng, start="jpeg", step=45.0, init_scale=2.0)
    state = adam_init(named_arrays(params))
    u = rng.random((linear.CHANNELS, 8 * 32 * 32), np.float32) - np.float32(0.5)

    def gradients() -> tuple[float, dict[str, Array]]:
        blocks = linear.images_to_blocks(images)
        loss, forward = linear.loss_forward(params, blocks, u, lmbda=LMBDA, softness=softness)
        return loss.loss, named_arrays(linear.loss_backward(forward, params, blocks, lmbda=LMBDA))

    def ours() -> None:
        adam_step(named_arrays(params), gradients()[1], state, 1e-4)

    ours()
    functions: dict[str, Callable[[], Any]] = {"npuq": ours}
    if torch() is not None:
        peer, theirs = pytorch_step(params, images, u, softness)
        check_same(gradients(), theirs())
        functions["pytorch"] = peer
    times = median_times(functions)
    result = {f"{name}_ms": 1e3 * seconds for name, seconds in times.items()}
    if "pytorch" in times:
        result["ratio"] = times["npuq"] / times["pytorch"]
    return result


def pytorch_step(
    params: Any, images: Array, u: Array, softness: Softness
) -> tuple[Callable[[], None], Callable[[], tuple[float, dict[str, Array]]]]:
    """The step as one would write it in PyTorch, and a function of its loss and gradients."""
    t = torch()
    names = list(named_arrays(params))
    weights = {n: t.tensor(a, requires_grad=True) for n, a in named_arrays(params).items()}
    optimiser = t.optim.Adam(list(weights.values()), lr=1e-4)
    noise = t.tensor(u.reshape(192, 8, 32, 32)).permute(1, 0, 2, 3).contiguous()
    layers = len(params.density.H)
    alpha = softness.alpha

    def logits(y: Any) -> Any:  # (N, C, h, w) -> the same
        x = y.permute(1, 0, 2, 3).reshape(192, 1, -1)
        for k in range(layers):
            x = t.nn.functional.softplus(weights[f"density.H.{k}"]) @ x + weights[f"density.b.{k}"]
            if k + 1 < layers:
                x = x + t.tanh(weights[f"density.a.{k}"]) * t.tanh(x)
        return x.reshape(192, *y.shape[:1], *y.shape[2:]).permute(1, 0, 2, 3)

    def bits(m: Any) -> Any:
        low, high = logits(m - 0.5), logits(m + 0.5)
        sign = -t.sign(low + high).detach()
        p = t.abs(t.sigmoid(sign * high) - t.sigmoid(sign * low))
        return -t.log2(t.clamp(p, min=1e-9))

    def soft_round(y: Any) -> Any:
        r = y - t.floor(y) - 0.5
        return t.floor(y) + 0.5 * t.tanh(alpha * r) / math.tanh(alpha / 2) + 0.5

    def conditional_mean(z: Any) -> Any:
        w = z - t.floor(z + 0.5)
        return t.floor(z + 0.5) + t.atanh(2 * math.tanh(alpha / 2) * w) / alpha

    class ExpectedRate(t.autograd.Function):
        """Eq. 17 for y; the parameters of the density keep the sampled gradient."""

        @staticmethod
        def forward(ctx: Any, y: Any, s: Any) -> Any:
            ctx.save_for_backward(y)
            return s.new_zeros(())

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            (y,) = ctx.saved_tensors
            with t.no_grad():
                return None, d * (bits(y + 0.5) - bits(y - 0.5))

    def loss_of() -> Any:
        x = t.tensor(images).permute(0, 3, 1, 2).float() - linear.GREY
        y = t.nn.functional.conv2d(x, weights["analysis"], stride=8)
        if alpha == 0:
            z = y + noise
            r, rate = z, bits(z).sum()
        else:
            s = soft_round(y)
            z = s + noise
            r = s + (conditional_mean(z) - s).detach()  # Eq. 20
            m = conditional_mean(z).detach()
            rate = bits(m).sum() + ExpectedRate.apply(y.detach(), s)
        error = t.nn.functional.conv_transpose2d(r, weights["synthesis"], stride=8) - x
        return rate / (8 * 256 * 256) + LMBDA * (error**2).mean()

    def peer() -> None:
        optimiser.zero_grad()
        loss_of().backward()
        optimiser.step()

    def values() -> tuple[float, dict[str, Array]]:
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss.item(), {n: weights[n].grad.numpy() for n in names}

    return peer, values


def check_same(a: tuple[float, dict[str, Array]], b: tuple[float, dict[str, Array]]) -> None:
    """Stop unless loss and gradients agree, so that the same work is timed."""
    if not math.isclose(a[0], b[0], rel_tol=1e-4):
        sys.exit(f"npuq and PyTorch do not compute the same loss: {a[0]} and {b[0]}")
    for name, ours in a[1].items():
        error = np.linalg.norm(ours - b[1][name]) / np.linalg.norm(ours)
        if error > 5e-3:
            sys.exit(f"npuq and PyTorch do not compute the same gradient of {name}: {error:.1e}")


def coder() -> list[dict[str, Any]]:
    image = dead_leaves(512, 768, seed=1)
    rows = []
    for method in ("un+q", "un+uq", "un+uq+sr"):
        model = shipped_model(method, 2)
        symbols = codec.quantize(image, model, method, 0)
        for source, kernels, size in (("compiled", "fast", None), ("plain Python", "reference", 4)):
            part = symbols._replace(k=symbols.k[:, :size], n=symbols.n[:, :size])
            part = part._replace(height=8 * part.k.shape[1])
            os.environ["NPUQ_KERNELS"] = kernels
            data = codec.write_symbols(part, model, method, 0)
            assert np.array_equal(codec.read_symbols(data, model)[0].k, part.k)
            functions = {
                "encode": functools.partial(codec.write_symbols, part, model, method, 0),
                "decode": functools.partial(codec.read_symbols, data, model),
            }
            times = median_times(functions)
            os.environ["NPUQ_KERNELS"] = "fast"
            rates = {name: part.k.size / 1e6 / seconds for name, seconds in times.items()}
            rows.append({"method": method, "source": source} | rates)
    return rows


if __name__ == "__main__":
    main()
