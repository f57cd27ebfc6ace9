"""Makes the numbers of `tests/crosscheck/frozen/` with PyTorch and CompressAI.

    PYTHONPATH=tests:tests/support python tests/crosscheck/make_frozen.py

To be run when a row of the table of operations is new or has other arguments; nothing else depends
on the numbers. What each file holds is said at the functions below.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import frozen
import in_compressai
import in_torch
import numpy as np
import peers
import unequal
from models import picture
from operations import OPERATIONS, make, upstream

from npuq.nn.normal import Params
from npuq.nn.parameters import named_arrays


def operations() -> dict[str, Any]:
    """Every row that PyTorch can express: arguments, d_y, outputs and gradients, in float64."""
    groups = {}
    for operation in OPERATIONS:
        args, static = make(operation, np.float64)
        arrays = named_arrays(args)
        if operation.torch is None or max(a.size for a in arrays.values()) > frozen.LARGEST:
            continue
        d_y = upstream(np.random.default_rng(3), operation.forward(*args, **static))
        y, grads = in_torch.autograd(operation, d_y, args, static)
        trees = {"argument ": arrays, "d_y ": named_arrays(d_y), "output ": y, "gradient ": grads}
        groups[operation.name] = {
            prefix + name: array for prefix, tree in trees.items() for name, array in tree.items()
        }
    return groups


def conditional_rates() -> dict[str, Any]:
    """Eqs. 23 and 24, some scales below their bound: CompressAI's likelihoods and its bound's
    gradient; soft rounding of PyTorch. Arguments are numbers of float32."""
    ops, models = (peers.compressai(f"compressai.{m}") for m in ("ops", "entropy_models"))
    import torch

    rng = np.random.default_rng(0)
    # no tails, where PyTorch's sigmoids of logits cancel
    sigma = np.float32(0.6 * np.exp(np.abs(rng.normal(0, 1, 60))))
    t = sigma * np.float32(rng.normal(0, 1, 60).clip(-2.5, 2.5))
    u = np.float32((rng.integers(0, 64, 60) + 0.5) / 64 - 0.5)
    sigma[::12], t[::12], u[::12] = (0.1, 0.05, 0.01, -0.3, 0.0), (0.1, 0.6, -0.2, -0.55, -0.4), 0
    groups: dict[str, Any] = {"arguments": {"t": t, "u": u, "sigma": sigma}}
    conditional, bound = models.GaussianConditional(None).double(), ops.LowerBound(0.11).double()
    for lower_bound in (conditional.lower_bound_scale, bound):
        lower_bound.bound.fill_(0.11)  # which was a float32
    for name, softness in frozen.SOFTNESS.items():
        t_, sigma_ = (torch.tensor(np.float64(a), requires_grad=True) for a in (t, sigma))
        z = in_torch.soft_round(t_, softness.alpha) + torch.tensor(np.float64(u))
        if softness.alpha == 0:
            bits = -conditional._likelihood(z, sigma_).log2()
        else:
            params = Params(torch.zeros((), dtype=z.dtype), bound(sigma_))
            bits = in_torch.rate_bits(z, params, logits=in_torch.normal, alpha=softness.alpha)
        r = in_torch.soft_round_conditional_mean(z, softness.alphas()[1])
        (dr_dt,) = torch.autograd.grad(r.sum(), t_, retain_graph=True)
        d_t, d_sigma = torch.autograd.grad(bits.sum(), (t_, sigma_))
        found = {"r": r, "bits": bits, "d_t": d_t, "d_sigma": d_sigma, "dr_dt": dr_dt}
        groups[name] = {key: tensor.detach().numpy() for key, tensor in found.items()}
    return groups


def noisy_rates() -> dict[str, Any]:
    """Eqs. 21 and 22 of a density of widths 3, 3, 3 in PyTorch. Arguments are of float32."""
    import torch

    rng = np.random.default_rng(0)
    density = unequal.density(rng, 3, init_scale=2.0)
    y = np.float32(rng.normal(0, 3, (3, 40)))
    u = np.float32((rng.integers(0, 64, y.shape) + 0.5) / 64 - 0.5)
    groups: dict[str, Any] = {"arguments": {"y": y, "u": u} | named_arrays(density)}
    for name, softness in frozen.SOFTNESS.items():
        y_ = torch.tensor(np.float64(y), requires_grad=True)
        params = type(density)(
            *(tuple(torch.tensor(np.float64(a), requires_grad=True) for a in g) for g in density)
        )
        z = in_torch.soft_round(y_, softness.alpha) + torch.tensor(np.float64(u))
        logits = in_torch.nonparametric
        bits = in_torch.rate_bits(z, params, logits=logits, alpha=softness.alpha).sum(1)
        r = in_torch.soft_round_conditional_mean(z, softness.alphas()[1])
        (dr_dy,) = torch.autograd.grad(r.sum(), y_, retain_graph=True)
        leaves = {f"d_density.{key}": a for key, a in named_arrays(params).items()}
        d_y, *d_density = torch.autograd.grad(bits.sum(), (y_, *leaves.values()))
        found = {"r": r, "bits": bits, "d_y": d_y, "dr_dy": dr_dy}
        found |= dict(zip(leaves, d_density, strict=True))
        groups[name] = {key: tensor.detach().numpy() for key, tensor in found.items()}
    return groups


def kept(name: str, value: Any) -> Any:
    """In single precision; of pixels some."""
    return np.float32(frozen.some_pixels(value) if name == "x_hat" else value)


def hyperprior() -> dict[str, Any]:
    """Eqs. 21, 23 and 24 by CompressAI's layers: all stages, gradients of the rate and of the loss.

    Parameters are numbers of float32; stages and gradients are rounded to it.
    """
    rng = np.random.default_rng(3)
    params = unequal.hyperprior_params(rng, channels=3, latents=4, dtype=np.float32)
    x = np.stack([picture(64, 128, seed) for seed in (1, 2)])
    u_1, u_2 = (
        np.float32((rng.integers(0, 256, shape) + 0.5) / 256 - 0.5)
        for shape in ((2, 1, 2, 3), (2, 4, 8, 4))
    )
    arguments = {"x": x, "u_1": u_1, "u_2": u_2} | named_arrays(params)
    groups: dict[str, Any] = {"arguments": arguments}
    for name, softness in frozen.SOFTNESS.items():
        given = in_compressai.widened(params, x, u_1, u_2)
        values, both = in_compressai.hyperprior_loss(*given, lmbda=frozen.LMBDA, softness=softness)
        _, rate = in_compressai.hyperprior_loss(*given, lmbda=0.0, softness=softness)
        groups[name] = {f"value {key}": kept(key, a) for key, a in values.items()}
        groups[name] |= {"rate": frozen.flat(rate), "both": frozen.flat(both)}
    return groups


def imported() -> dict[str, Any]:
    """State dicts of CompressAI's models, and what these compute of a picture."""
    x = picture(64, 128, 1)[None]
    groups: dict[str, Any] = {"arguments": {"x": x}}
    for arch in frozen.ARCHITECTURES:
        net = in_compressai.their_net(arch, *frozen.IMPORTED)
        values = in_compressai.their_values(net, x / 255)
        state = {f"state {key}": a for key, a in in_compressai.state_of(net).items()}
        groups[arch] = state | {f"value {key}": kept(key, a) for key, a in values.items()}
    return groups


if __name__ == "__main__":
    versions = {name: version(name) for name in ("torch", "compressai", "numpy")}
    for make_groups in (operations, conditional_rates, noisy_rates, hyperprior, imported):
        frozen.save(make_groups.__name__, make_groups(), versions)
