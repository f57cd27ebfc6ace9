"""The hyperprior model: every stage of its forward pass against the equations, and the gradients of
rate and distortion apart against differences, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from in_compressai import our_hyperprior_loss
from plain import conv, conv_transpose, gdn, inverse_gdn, leaky, nonparametric_logits
from scipy.special import expit
from scipy.stats import norm
from slopes import check_slopes

from npuq.models import hyperprior
from npuq.models.layers import stack_forward
from npuq.models.noisy_rate import Softness
from npuq.nn import nonparametric, normal
from npuq.nn.non_negative import lower_bound
from npuq.nn.normal import SMALLEST_SCALE
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.channel import uniform_noise_channel
from npuq.paper.density import rate_bits
from npuq.paper.loss import mse, rate_distortion, soft_rounded_loss
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean, soft_round_inverse

N, M = 3, 4
LMBDA = 0.01
SOFTNESS = [Softness(), Softness(3.0, 3.0), Softness(2.0, 5.0)]


def case(rows: int = 1, columns: int = 2) -> Any:
    """Two pictures with `rows` by `columns` hyper-latents each: no axis is mistaken for another."""
    rng = np.random.default_rng(3)
    params = unequal.hyperprior_params(rng, channels=N, latents=M)
    x = rng.random((2, 64 * rows, 64 * columns, 3))
    u_1 = rng.random((2, rows, columns, N)) - 0.5
    u_2 = rng.random((2, 4 * rows, 4 * columns, M)) - 0.5
    return params, x, u_1, u_2


@pytest.mark.parametrize("shape", [(1, 64, 64, 1), (1, 64, 32, 3), (0, 64, 64, 3), (64, 64, 3)])
def test_what_are_no_pixels_is_refused(shape: tuple[int, ...]) -> None:
    params, _, u_1, u_2 = case()
    with pytest.raises(ValueError, match="multiples of 64"):
        hyperprior.loss_forward(params, np.zeros(shape), u_1, u_2, lmbda=LMBDA, softness=Softness())


def by_the_equations(params: Any, x: Any, u_1: Any, u_2: Any, softness: Softness) -> dict[str, Any]:
    """All stages of Eqs. 21, 23 and 24, of functions of NumPy, SciPy and `npuq.paper`."""
    alpha = softness.alpha

    def transform(h: Any, name: str, steps: Any, between: Any) -> Any:
        for i, (step, layer) in enumerate(zip(steps, getattr(params, name), strict=True)):
            if i > 0:
                h = between(h, *getattr(params, f"{name}_gdn", [()] * 4)[i - 1])
            h = step(h, layer.w, layer.b)
        return h

    def down(h: Any, w: Any, b: Any) -> Any:
        return conv(h, w, b, stride=2)

    def p_of(cdf: Any, z: Any, alpha: float) -> Any:  # Eq. 22 as E1 of the README has it
        return cdf(soft_round_inverse(z + 0.5, alpha)) - cdf(soft_round_inverse(z - 0.5, alpha))

    def hyper_cdf(w: Any) -> Any:
        rows = np.moveaxis(w, -1, 0)
        return np.moveaxis(expit(nonparametric_logits(rows, params.hyper_density)), 0, -1)

    y = transform(x, "analysis", [down] * 4, gdn)
    v = transform(y, "hyper_analysis", [conv, down, down], leaky)
    w = v + u_1
    both = transform(w, "hyper_synthesis", [conv_transpose, conv_transpose, conv], leaky)
    sigma, mu = both[..., :M], both[..., M:]
    assert np.all(sigma > SMALLEST_SCALE)
    z = soft_round(y - mu, alpha) + u_2
    bits = -np.log2(p_of(lambda t: norm.cdf(t, scale=sigma), z, alpha))
    hyper_bits = -np.log2(p_of(hyper_cdf, w, 0.0)).sum(axis=(0, 1, 2))
    r = soft_round_conditional_mean(z, softness.alphas()[1])
    x_hat = transform(r + mu, "synthesis", [conv_transpose] * 4, inverse_gdn)
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    hyper_bpp = hyper_bits.sum() / pixels
    bpp, mse = hyper_bpp + bits.sum() / pixels, np.mean((255 * (x_hat - x)) ** 2)
    return {
        "y": y, "v": v, "w": w, "sigma": sigma, "mu": mu, "r": r, "bits": bits,
        "hyper_bits": hyper_bits, "x_hat": x_hat, "hyper_bpp": hyper_bpp, "bpp": bpp, "mse": mse,
        "loss": bpp + LMBDA * mse,
    }  # fmt: skip


@pytest.mark.parametrize("softness", SOFTNESS, ids=str)
def test_every_stage_is_its_equation(softness: Softness) -> None:
    """Eqs. 21, 23 and 24, on 2 x 3 hyper-latents."""
    params, x, u_1, u_2 = case(2, 3)
    expected = by_the_equations(params, x, u_1, u_2, softness)
    found, _ = our_hyperprior_loss(params, x, u_1, u_2, lmbda=LMBDA, softness=softness)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # sums of a hundred terms in another order, and differences of CDFs down to 1e-4: 1e-16
        # by 1e2 by 1e4
        atol = 1e-10 * np.max(np.abs(value))
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=atol, err_msg=name)
    # means alone, which the codec computes
    means = hyperprior.hyper_means(found["w"], params)
    np.testing.assert_allclose(means, expected["mu"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("softness", SOFTNESS, ids=str)
def test_the_loss_is_that_of_the_paper(softness: Softness) -> None:
    """Eq. 21 of the residuals of Eq. 24 with the law of Eq. 23, and of the hyper-latents Eq. 2:
    functions of `npuq.paper`, and the four transforms."""
    params, x, u_1, u_2 = case(2, 3)
    alpha, alpha_r = softness.alphas()
    y, _ = stack_forward(x, params.analysis, hyperprior.ANALYSIS, params.analysis_gdn)
    v, _ = hyperprior.hyper_analyse(y, params)
    w = uniform_noise_channel(v, u_1)
    hyper_bits = rate_bits(np.moveaxis(w, -1, 0), params.hyper_density, cdf=nonparametric).sum()
    sigma, mu, _ = hyperprior.hyper_synthesise(w, params)
    law = normal.Params(np.zeros(()), lower_bound(sigma, SMALLEST_SCALE))

    def g(r: Any) -> Any:
        layers = params.synthesis, hyperprior.SYNTHESIS, params.synthesis_gdn
        return 255 * stack_forward(r + mu, *layers, inverse=True)[0]

    bits, distortion = soft_rounded_loss(
        255 * x, u_2, lambda _: y - mu, g,
        lambda z: rate_bits(z, law, cdf=normal, alpha=alpha), mse, alpha=alpha, alpha_r=alpha_r,
    )  # fmt: skip
    pixels = x[..., 0].size
    rate = hyper_bits + bits
    loss = rate_distortion(rate, distortion, lmbda=LMBDA, pixels=pixels)
    found, _ = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=softness)
    # the same functions; sums of thousands of terms in another order
    expected = loss, rate / pixels, distortion, hyper_bits / pixels
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("softness", "grid"), [*zip(SOFTNESS, [(1, 2), (2, 1), (2, 3)], strict=True)], ids=str
)
def test_gradients_of_rate_and_distortion(softness: Softness, grid: tuple[int, int]) -> None:
    """Along random directions in each layer: the two parts of Eq. 21 apart, to 1e-6 of each."""
    params, x, u_1, u_2 = case(*grid)
    arrays = named_arrays(params)

    def parts(arrays: dict[str, Any]) -> dict[str, float]:
        model = with_arrays(params, arrays)
        loss, _ = hyperprior.loss_forward(model, x, u_1, u_2, lmbda=LMBDA, softness=softness)
        return {"rate": loss.bpp, "distortion": loss.mse}

    _, kept = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=softness)
    rate, both = (
        named_arrays(
            hyperprior.loss_backward(1.0, kept, params, x, u_1, u_2, lmbda=lmbda, softness=softness)
        )
        for lmbda in (0.0, 1.0)
    )
    # the loss is linear in lambda, and the distortion by far the larger part of it at 1
    distortion = {name: both[name] - rate[name] for name in both}
    if softness == Softness():  # r(t) + mu is y + u_2: no hyper-latent enters, but for rounding
        for name in [name for name in distortion if name.startswith("hyper")]:
            assert np.max(np.abs(distortion[name])) <= 1e-12 * np.max(np.abs(both["analysis.3.b"]))
            distortion[name] = np.zeros_like(distortion[name])
    # directions of length 1, which move coefficients by about 1
    sizes = {name: array.size**-0.5 for name, array in arrays.items()}
    check_slopes(parts, arrays, {"rate": rate, "distortion": distortion}, sizes=sizes)


def test_gradients_are_as_large_as_the_upstream_one() -> None:
    """A power of 2, which changes no digit."""
    args = case()
    static: Any = {"lmbda": LMBDA, "softness": SOFTNESS[-1]}
    _, kept = hyperprior.loss_forward(*args, **static)
    once, eight = (
        named_arrays(hyperprior.loss_backward(d, kept, *args, **static)) for d in (1.0, 8.0)
    )
    for name, d in once.items():
        np.testing.assert_array_equal(eight[name], 8 * d, err_msg=name)


def test_expected_gradients_replace_what_reaches_the_encoder() -> None:
    """Eqs. (17) and (20) change neither the loss nor the gradients of what comes after the noise
    of the coefficients."""
    params, x, u_1, u_2 = case()
    found = []
    for expected in (False, True):
        static: Any = {"lmbda": LMBDA, "softness": Softness(5.0, 5.0, expected, expected)}
        loss, kept = hyperprior.loss_forward(params, x, u_1, u_2, **static)
        found.append((loss, hyperprior.loss_backward(1.0, kept, params, x, u_1, u_2, **static)))
    (loss, sampled), (loss_too, expected_gradients) = found
    assert loss == loss_too
    for name in ("synthesis", "synthesis_gdn"):
        ours, theirs = (named_arrays(getattr(g, name)) for g in (sampled, expected_gradients))
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert np.any(sampled.analysis[0].w != expected_gradients.analysis[0].w)
