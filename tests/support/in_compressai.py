"""Our models in CompressAI, which is only imported when one is called, and its models in ours.

Shapes: ours are channels last, CompressAI's channels first.
"""

from __future__ import annotations

from typing import Any

import in_torch
import numpy as np
import peers

from npuq.exchange.compressai_names import CLASSES
from npuq.models import hyperprior
from npuq.models.layers import stack_forward
from npuq.models.noisy_rate import Softness
from npuq.nn import nonparametric, normal
from npuq.nn.non_negative import lower_bound
from npuq.nn.normal import SMALLEST_SCALE
from npuq.nn.parameters import cast
from npuq.paper.density import rate_bits
from npuq.trained.model import Model

# --- our hyperprior model, with parameters of ours ----------------------------------------------


def state_dict(params: hyperprior.HyperpriorParams) -> dict[str, Any]:
    """Our parameters by CompressAI's names."""
    state = {}
    for ours, theirs in (
        ("analysis", "g_a"), ("synthesis", "g_s"), ("hyper_analysis", "h_a"),
        ("hyper_synthesis", "h_s"),
    ):  # fmt: skip
        for i, conv in enumerate(getattr(params, ours)):
            state |= {f"{theirs}.{2 * i}.weight": conv.w, f"{theirs}.{2 * i}.bias": conv.b}
        for i, gdn in enumerate(getattr(params, f"{ours}_gdn", ())):
            name = f"{theirs}.{2 * i + 1}"
            state |= {f"{name}.beta": gdn.beta, f"{name}.gamma": gdn.gamma}
    for group, name in (("H", "matrices"), ("a", "factors"), ("b", "biases")):
        for i, array in enumerate(getattr(params.hyper_density, group)):
            state[f"entropy_bottleneck.{name}.{i}"] = array
    return state


def first(x: Any) -> Any:
    """The tensor, channels first."""
    import torch

    return torch.tensor(x).permute(0, 3, 1, 2)


def net_of(params: hyperprior.HyperpriorParams) -> Any:
    """CompressAI's model of the sizes, the type and the parameters of ours."""
    models = peers.compressai("compressai.models")
    import torch

    M, N = params.analysis[-1].w.shape[:2]
    net = models.MeanScaleHyperprior(N, M).to(getattr(torch, params.analysis[0].w.dtype.name))
    net.gaussian_conditional.lower_bound_scale.bound.fill_(SMALLEST_SCALE)  # 0.11 was a float32
    state = {name: torch.tensor(array) for name, array in state_dict(params).items()}
    missing, unexpected = torch.nn.Module.load_state_dict(net, state, strict=False)
    assert not unexpected
    assert not [n for n in missing if n in dict(net.named_parameters()) and "quantiles" not in n]
    return net.train()


def hyperprior_loss(
    params: Any, x: Any, u_1: Any, u_2: Any, *, lmbda: float, softness: Softness
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All stages and the loss of `npuq.models.hyperprior`, by CompressAI's layers and likelihoods,
    and autograd's gradients by CompressAI's names.

    CompressAI knows no soft rounding; that, and the likelihood of what is soft-rounded, is in
    `in_torch`. At alpha 0 all is CompressAI's.
    """
    net = net_of(params)
    import torch

    pixels, noise_1, noise_2 = first(x), first(u_1), first(u_2)
    y = net.g_a(pixels)
    v = net.h_a(y)
    w = v + noise_1
    sigma, mu = net.h_s(w).chunk(2, 1)
    net.entropy_bottleneck.quantize = lambda values, mode, means=None: (
        values + (noise_1.permute(1, 0, 2, 3).reshape(values.shape))
    )
    _, hyper_likelihood = net.entropy_bottleneck(v)
    if softness.alpha == 0:
        net.gaussian_conditional.quantize = lambda values, mode, means=None: values + noise_2
        z = y - mu + noise_2
        bits = -net.gaussian_conditional(y, sigma, mu)[1].log2()
    else:
        z = in_torch.soft_round(y - mu, softness.alpha) + noise_2
        scale = normal.Params(torch.zeros(()), sigma)
        bits = in_torch.rate_bits(z, scale, logits=in_torch.normal, alpha=softness.alpha)
    r = in_torch.soft_round_conditional_mean(z, softness.alphas()[1])
    x_hat = net.g_s(r + mu)
    hyper_bits = -hyper_likelihood.log2().sum((0, 2, 3))
    count = x.shape[0] * x.shape[1] * x.shape[2]
    bpp = (hyper_bits.sum() + bits.sum()) / count
    mse = 255**2 * ((x_hat - pixels) ** 2).mean()
    loss = bpp + lmbda * mse
    loss.backward()
    maps = {"y": y, "v": v, "w": w, "sigma": sigma, "mu": mu, "r": r, "bits": bits, "x_hat": x_hat}
    values = {name: a.detach().permute(0, 2, 3, 1).numpy() for name, a in maps.items()}
    values |= {"hyper_bits": hyper_bits.detach().numpy(), "hyper_bpp": hyper_bits.sum() / count}
    values |= {"bpp": bpp, "mse": mse, "loss": loss}
    values = {
        name: a if isinstance(a, np.ndarray) else np.array(a.item()) for name, a in values.items()
    }
    parameters = dict(net.named_parameters())
    return values, {name: parameters[name].grad.numpy() for name in state_dict(params)}


def widened(params: Any, x: Any, u_1: Any, u_2: Any) -> tuple[Any, ...]:
    """Arguments of the loss in float64, of bytes and numbers of float32."""
    return cast(params, np.float64), x / 255, u_1.astype(np.float64), u_2.astype(np.float64)


def our_hyperprior_loss(
    params: Any, x: Any, u_1: Any, u_2: Any, *, lmbda: float, softness: Softness
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of ours."""
    args = params, x, u_1, u_2
    static: Any = {"lmbda": lmbda, "softness": softness}
    loss, kept = hyperprior.loss_forward(*args, **static)
    y, w = kept.v_kept[0], kept.w_kept[0]
    sigma, mu, _ = hyperprior.hyper_synthesise(w, params)
    values = loss._asdict() | {
        "y": y, "v": hyperprior.hyper_analyse(y, params)[0], "w": w, "sigma": sigma, "mu": mu,
        "r": kept.coded.r, "bits": kept.coded.bits, "hyper_bits": kept.hyper.bits,
        "x_hat": kept.error + x,
    }  # fmt: skip
    return values, state_dict(hyperprior.loss_backward(1.0, kept, *args, **static))


# --- models of CompressAI, imported -------------------------------------------------------------


def their_net(arch: str, N: int, M: int) -> Any:
    """A net with latents of some units, scales that fit them, and medians in 1/512."""
    models = peers.compressai("compressai.models")
    import torch

    torch.manual_seed(1)
    net = getattr(models, CLASSES[arch])(N, M)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("weight"):
                parameter *= 2.0
            if name.endswith(("beta", "gamma")):  # which are all alike, and gamma symmetric
                parameter += 0.1 * torch.rand_like(parameter)
            if "factors" in name:
                parameter.uniform_(-0.5, 0.5)
            if "matrices" in name:
                parameter += 0.3 * torch.randn_like(parameter)
        net.g_a[6].weight *= 3
        if arch != "bmshj2018-factorized":
            net.h_s[4].bias[:M].uniform_(2.0, 6.0)
        quantiles = net.entropy_bottleneck.quantiles
        quantiles[:, 0, 1] = torch.randint(-700, 700, quantiles.shape[:1]) / 512
    return net.eval()


def state_of(net: Any) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def our_values(model: Model, x: Any) -> dict[str, Any]:
    """What the model computes of pixels of 0..1 where it rounds, channels last."""
    params = cast(model.params, x.dtype)
    y, _ = stack_forward(x, params.analysis, hyperprior.ANALYSIS, params.analysis_gdn)
    found = {"y": y}
    density: Any = nonparametric
    if model.hyper is None:
        medians = (model.medians / 512).astype(x.dtype)
        y_hat = np.rint(y - medians) + medians
        rows = y_hat.reshape(-1, y.shape[-1]).T
        found["bits_y"] = rate_bits(rows, params.density, cdf=density).T.reshape(y.shape)
    else:
        medians = (model.medians / 512).astype(x.dtype)
        v, _ = hyperprior.hyper_analyse(y, params)
        w = np.rint(v - medians) + medians
        rows = w.reshape(-1, w.shape[-1]).T
        bits = rate_bits(rows, params.hyper_density, cdf=density)
        sigma, mu, _ = hyperprior.hyper_synthesise(w, params)
        scale = normal.Params(np.zeros((), x.dtype), lower_bound(sigma, 0.11))
        t = np.rint(y - mu)
        y_hat = t + mu
        found |= {"z": v, "sigma": sigma, "mu": mu, "bits_z": bits.T.reshape(v.shape)}
        found["bits_y"] = rate_bits(t, scale, cdf=normal)
    gdn = params.synthesis_gdn
    x_hat, _ = stack_forward(y_hat, params.synthesis, hyperprior.SYNTHESIS, gdn, inverse=True)
    return found | {"x_hat": x_hat}


def their_values(net: Any, x: Any) -> dict[str, Any]:
    """The same of CompressAI, in evaluation mode."""
    import torch

    net = net.to(getattr(torch, x.dtype.name))
    x = torch.tensor(x).permute(0, 3, 1, 2)
    with torch.no_grad():
        out = net(x)
        found = {"y": net.g_a(x), "x_hat": out["x_hat"]}
        if "z" in out["likelihoods"]:
            absolute = type(net).__name__ == "ScaleHyperprior"
            found["z"] = net.h_a(found["y"].abs() if absolute else found["y"])
            both = net.h_s(net.entropy_bottleneck(found["z"])[0])
            M = found["y"].shape[1]
            found["sigma"] = both[:, :M]
            found["mu"] = both[:, M:] if both.shape[1] > M else torch.zeros_like(both)
        found |= {f"bits_{name}": -p.log2() for name, p in out["likelihoods"].items()}
    net.float()
    return {name: a.permute(0, 2, 3, 1).numpy() for name, a in found.items()}
