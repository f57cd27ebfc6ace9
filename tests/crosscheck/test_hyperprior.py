"""The hyperprior model beside CompressAI's `MeanScaleHyperprior` with the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import peers
import pytest

from npuq.models import hyperprior
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import named_arrays, with_arrays

N, M = 6, 10
LMBDA = 0.01


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


def case(dtype: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    params = hyperprior.init(rng, channels=N, latents=M, dtype=np.float64)
    arrays = {
        name: (a * (2.0 if name.endswith(".w") else 1.0)).astype(dtype)
        for name, a in named_arrays(params).items()
    }
    # scales that make no bit so dear that CompressAI cuts it off
    arrays["hyper_synthesis.2.b"] = np.repeat([2.0, 0.0], M).astype(dtype)
    params = with_arrays(params, arrays)
    x = rng.random((2, 64, 128, 3)).astype(dtype)
    u_1 = (rng.random((2, 1, 2, N)) - 0.5).astype(dtype)
    u_2 = (rng.random((2, 4, 8, M)) - 0.5).astype(dtype)
    return params, x, u_1, u_2


def first(x: Any) -> Any:
    """The tensor, channels first."""
    import torch

    return torch.tensor(x).permute(0, 3, 1, 2)


def theirs(params: Any, u_1: Any, u_2: Any, dtype: Any) -> Any:
    """CompressAI's model with our parameters and our noise."""
    models = peers.compressai("compressai.models")
    torch = pytest.importorskip("torch")
    net = models.MeanScaleHyperprior(N, M).to(getattr(torch, np.dtype(dtype).name))
    state = {name: torch.tensor(array) for name, array in state_dict(params).items()}
    missing, unexpected = torch.nn.Module.load_state_dict(net, state, strict=False)
    assert not unexpected
    assert not [n for n in missing if n in dict(net.named_parameters()) and "quantiles" not in n]
    noise_1, noise_2 = torch.tensor(u_1).reshape(-1, N).T[:, None], first(u_2)
    net.entropy_bottleneck.quantize = lambda values, mode, means=None: values + noise_1
    net.gaussian_conditional.quantize = lambda values, mode, means=None: values + noise_2
    return net.train()


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-10)])
def test_values_are_those_of_compressai(dtype: Any, rtol: float) -> None:
    params, x, u_1, u_2 = case(dtype)
    net = theirs(params, u_1, u_2, dtype)
    import torch

    loss, forward = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=Softness())
    with torch.no_grad():
        out = net(first(x))
        y = net.g_a(first(x))
        sigma, mu = net.h_s(net.h_a(y) + first(u_1)).chunk(2, 1)
    ours_sigma, ours_mu, _ = hyperprior.hyper_synthesise(forward.w_kept[0], params)

    def close(ours: Any, expected: Any) -> None:
        expected = expected.permute(0, 2, 3, 1).numpy()
        assert np.max(np.abs(ours - expected)) <= rtol * np.max(np.abs(expected))

    close(forward.v_kept[0], y)
    close(ours_sigma, sigma)
    close(ours_mu, mu)
    close(2.0**-forward.coded.bits, out["likelihoods"]["y"])
    close(forward.error + x, out["x_hat"])
    hyper_bits = -out["likelihoods"]["z"].log2().sum((0, 2, 3))
    np.testing.assert_allclose(forward.hyper.bits, hyper_bits.numpy(), rtol=rtol)
    assert forward.coded.bits.dtype == dtype


def test_gradients_are_those_of_autograd() -> None:
    params, x, u_1, u_2 = case(np.float64)
    net = theirs(params, u_1, u_2, np.float64)

    loss, forward = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=Softness())
    gradients = state_dict(hyperprior.loss_backward(forward, params, lmbda=LMBDA))
    out = net(first(x))
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    bits = sum(-likelihood.log2().sum() for likelihood in out["likelihoods"].values())
    total = bits / pixels + LMBDA * 255**2 * ((out["x_hat"] - first(x)) ** 2).mean()
    total.backward()
    assert loss.loss == pytest.approx(total.item(), rel=1e-12)
    parameters = dict(net.named_parameters())
    for name, ours in gradients.items():
        expected = parameters[name].grad.numpy()
        atol = 1e-8 * np.max(np.abs(expected))
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=atol, err_msg=name)
