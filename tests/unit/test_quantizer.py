"""What decides a symbol: exact ties, float32, and the largest coefficients; in both twins.

Expected symbols come from integers. A coefficient is Y / 2^16 and its phase V / 2^16, so that
k = floor((Y - V) / 2^16) + 1, and Y - V a multiple of 2^16 is a tie.
"""

from __future__ import annotations

import numpy as np
import pytest
from models import constant_layers, tiny_hyperprior, tiny_model
from unit.test_codec_factorized import factorized_model

from npuq.backend import Array
from npuq.codec.files import quantize as quantize_image
from npuq.codec.quantizer import phases_of, quantize_into, reconstruct
from npuq.codec.scale_streams import hyper_phases_of
from npuq.coding.dither import dither_integers
from npuq.errors import ModelError
from npuq.models.linear import CHANNELS
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.phases import hard_phases, plain_phases, soft_phases

UNIT, SEED = 1 << 16, 3
PHASES = {"hard": hard_phases(), "plain": plain_phases(), "soft": soft_phases(5.0)}


@pytest.fixture(params=["fast", "reference"])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled quantizer, then the plain one."""
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


twins = pytest.mark.usefixtures("twin")


def quantize(y: Array, n: Array, phases: Array) -> Array:
    k = np.empty(y.shape, np.int32)
    quantize_into(k, y, n, phases, "m")
    return k


def exact(units: Array, phase: Array) -> Array:
    """k of coefficients in 2^-16; // is the floor."""
    return (units.astype(np.int64) - phase.astype(np.int64)) // UNIT + 1


def test_phases_are_those_of_a_method_that_goes_with_the_model() -> None:
    for method, phases in (("un+q", hard_phases()), ("un+uq", plain_phases())):
        np.testing.assert_array_equal(phases_of(tiny_model(), method), phases)
    np.testing.assert_array_equal(phases_of(tiny_model(5.0), "un+uq+sr"), soft_phases(5.0))
    with pytest.raises(ModelError, match="trained without soft rounding"):
        phases_of(tiny_model(), "un+uq+sr")
    with pytest.raises(ModelError, match="method must be one of"):
        phases_of(tiny_model(), "un")


# --- ties ---------------------------------------------------------------------------------------


@twins
@pytest.mark.parametrize("kind", PHASES)
def test_ties_go_up(kind: str) -> None:
    """Every dither meets its tie at odd and even k of both signs, and the nearest of either side.

    Half to even would send every other tie down, and half away from zero the negative ones.
    """
    phases = PHASES[kind]
    m = np.array([-100, -3, -2, -1, 0, 1, 2, 99])[:, None, None]
    beside = np.array([-1, 0, 1])[:, None]
    n = np.broadcast_to(np.arange(256, dtype=np.uint8), (8, 3, 256))
    units = UNIT * m + beside + phases.astype(np.int64)
    y = (units / UNIT).astype(np.float32)
    assert np.array_equal(y.astype(float) * UNIT, units)  # 7 + 16 bits: float32 has them all
    k = quantize(y, np.ascontiguousarray(n), phases)
    np.testing.assert_array_equal(k, exact(units, phases[n]))
    np.testing.assert_array_equal(k[:, 1:], np.broadcast_to(m + 1, k[:, 1:].shape))
    np.testing.assert_array_equal(k[:, 0], np.broadcast_to(m[:, 0], k[:, 0].shape))


@twins
@pytest.mark.parametrize("method", METHODS[:2])
def test_linear_model_every_coefficient_a_tie(method: str) -> None:
    """With y = a (2 x - 255) / 512 of pixels x, a odd, each dither has a pixel that is a tie."""
    a = 21 if method == "un+uq" else 256
    unit = np.eye(CHANNELS, dtype=np.float32).reshape(CHANNELS, 3, 8, 8)
    model = with_analysis(tiny_model(), unit * np.float32(a / 256))
    n = dither_integers((CHANNELS, 3, 2), seed=SEED)
    if method == "un+uq":
        pixels = (pow(a, -1, 512) * (2 * n.astype(int) + 1) + 255) % 512 // 2
    else:
        pixels = n.astype(int)  # all that there are: y = x - 127.5
    image = pixels.reshape(3, 8, 8, 3, 2).transpose(3, 1, 4, 2, 0).reshape(24, 16, 3)
    symbols = quantize_image(image.astype(np.uint8), model, method, SEED)
    units = 128 * a * (2 * pixels - 255)
    phase = phases_of(model, method)[n]
    assert np.all((units - phase) % UNIT == 0)
    np.testing.assert_array_equal(symbols.k, exact(units, phase))
    assert {0, 1} <= set(np.unique(symbols.k % 2)) and symbols.k.min() < 0 < symbols.k.max()


@twins
@pytest.mark.parametrize("method", METHODS)
def test_linear_model_ties_of_chosen_dithers(method: str) -> None:
    """A grey image makes y_c = m_c + V[c] / 2^16 of channel c, a tie where the dither is c."""
    model = tiny_model(5.0)
    phases = phases_of(model, method).astype(np.int64)
    units = UNIT * (np.arange(CHANNELS) % 7 - 3) + phases[:CHANNELS]
    rows = np.eye(CHANNELS) * (2 * units / UNIT)[:, None]  # 128 - 127.5 is 1/2
    shape = (CHANNELS, 3, 8, 8)
    symbols = quantize_image(
        np.full((80, 96, 3), 128, np.uint8),
        with_analysis(model, rows.astype(np.float32).reshape(shape)),
        method,
        SEED,
    )
    check_ties(symbols.k, symbols.n, np.broadcast_to(units[:, None, None], symbols.k.shape), phases)


@twins
@pytest.mark.parametrize("method", METHODS)
def test_hyperprior_ties_of_latents_and_hyper_latents(method: str) -> None:
    """Transforms without weights make constants of each channel: a tie in its first place.

    Of latents it is y - mu, of hyper-latents v less their medians, that is rounded.
    """
    model = tiny_hyperprior(5.0)
    assert model.hyper is not None
    n, hyper_n = (
        dither_integers(shape, seed=SEED, tensor=tensor)
        for tensor, shape in enumerate(((8, 8, 4), (6, 2, 1)))
    )
    phases = phases_of(model, method).astype(np.int64)
    hyper_phases = hyper_phases_of(method).astype(np.int64)
    units, hyper_units = tie_of_first(n, phases), tie_of_first(hyper_n, hyper_phases)
    mu = np.arange(-4, 4) * 3 << 12
    medians = model.medians.astype(np.int64) << 7
    params = model.params
    params = params._replace(
        analysis=constant_layers(params.analysis, (units + mu) / UNIT),
        hyper_analysis=constant_layers(params.hyper_analysis, (hyper_units + medians) / UNIT),
        hyper_synthesis=constant_layers(params.hyper_synthesis, np.r_[0 * mu, mu] / UNIT),
    )
    image = np.zeros((128, 64, 3), np.uint8)
    symbols = quantize_image(image, model._replace(params=params), method, SEED)
    np.testing.assert_array_equal(symbols.n, n)
    np.testing.assert_array_equal(symbols.hyper_n, hyper_n)
    check_ties(symbols.k, n, np.broadcast_to(units[:, None, None], n.shape), phases)
    check_ties(
        symbols.hyper_k,
        hyper_n,
        np.broadcast_to(hyper_units[:, None, None], hyper_n.shape),
        hyper_phases,
    )


@twins
@pytest.mark.parametrize("method", METHODS)
def test_factorized_ties(method: str) -> None:
    model = factorized_model(5.0)
    assert model.medians is not None
    n = dither_integers((6, 3, 2), seed=SEED)
    phases = phases_of(model, method).astype(np.int64)
    units = tie_of_first(n, phases)
    constants = units + (model.medians.astype(np.int64) << 7)
    params = model.params._replace(
        analysis=constant_layers(model.params.analysis, constants / UNIT)
    )
    image = np.zeros((48, 32, 3), np.uint8)
    symbols = quantize_image(image, model._replace(params=params), method, SEED)
    check_ties(symbols.k, n, np.broadcast_to(units[:, None, None], n.shape), phases)


def with_analysis(model: Model, analysis: Array) -> Model:
    return model._replace(params=model.params._replace(analysis=analysis))


def tie_of_first(n: Array, phases: Array) -> Array:
    """Coefficients of each channel, of odd and even k, that are ties at the first place."""
    return UNIT * (np.arange(len(n)) - 3) + phases[n[:, 0, 0]]


def check_ties(k: Array, n: Array, units: Array, phases: Array) -> None:
    """Symbols are the exact ones, and among the ties are odd and even ones of either sign."""
    np.testing.assert_array_equal(k, exact(units, phases[n]))
    ties = k[(units - phases[n]) % UNIT == 0]
    assert {0, 1} == set(ties % 2) and ties.min() < 0 < ties.max()


# --- the type -----------------------------------------------------------------------------------


@twins
def test_the_difference_is_that_of_float32() -> None:
    """Beyond 2^8, where y - v needs more than 24 bits, float32 decides and not float64.

    y is the greatest float below k - 1 + v. Where it falls short of that by less than half a unit
    in the last place, the difference is rounded to k - 1, and the symbol is k.
    """
    phases = PHASES["soft"]
    n = np.arange(256, dtype=np.uint8)[None]
    for base in (1000, -1000, 123_456, -(2**20) + 1):
        v = phases[n].astype(np.float64) / UNIT
        y = (base + v).astype(np.float32)
        y = np.where(y < base + v, y, np.nextafter(y, np.float32(-np.inf)))
        in_float32 = np.floor(y - v.astype(np.float32)).astype(np.int64) + 1
        in_float64 = np.floor(y.astype(np.float64) - v).astype(np.int64) + 1
        k = quantize(y, n, phases)
        np.testing.assert_array_equal(k, in_float32)
        assert np.sum(in_float32 != in_float64) > 10


@twins
def test_coefficients_of_the_linear_model_are_float32() -> None:
    """float32(1.4) times 130 - 127.5 is rounded to 3.5, a tie; in float64 it stays below."""
    w = np.float32(1.4)
    assert w * np.float32(2.5) == 3.5 and float(w) * 2.5 < 3.5
    unit = np.eye(CHANNELS, dtype=np.float32).reshape(CHANNELS, 3, 8, 8)
    image = np.full((16, 8, 3), 130, np.uint8)
    symbols = quantize_image(image, with_analysis(tiny_model(), w * unit), "un+q", SEED)
    np.testing.assert_array_equal(symbols.k, 4)


@twins
def test_residuals_of_the_hyperprior_are_float32() -> None:
    """y - mu = 1000.5 - 2^-16, rounded to the tie; and so hyper-latents less their medians."""
    model = tiny_hyperprior()
    assert model.hyper is not None
    small = np.full(8, 2.0**-16, np.float32)
    assert np.float32(1000.5) - small[0] == 1000.5
    params = model.params
    params = params._replace(
        analysis=constant_layers(params.analysis, np.full(8, 1000.5)),
        hyper_synthesis=constant_layers(params.hyper_synthesis, np.r_[0 * small, small]),
    )
    symbols = quantize_image(
        np.zeros((64, 64, 3), np.uint8), model._replace(params=params), "un+q", SEED
    )
    np.testing.assert_array_equal(symbols.k, 1001)


# --- far out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PHASES)
def test_twins_agree_up_to_the_largest_coefficients(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 2^24 on, where k + 1 of a float is k, the one has to be added to an integer."""
    rng, phases = np.random.default_rng(0), PHASES[kind]
    y = rng.uniform(1, 2, (1, 31, 999)) * 2.0 ** np.arange(31)[:, None]
    y = (y * rng.choice([-1, 1], y.shape)).astype(np.float32)
    ends = np.nextafter(np.float32([2**31, -(2**31)]), np.float32(0))
    y[0, -1, :2] = ends
    n = rng.integers(0, 256, y.shape, dtype=np.uint8)
    floor = np.floor(y - (phases / UNIT).astype(np.float32)[n])
    for kernels in ("fast", "reference"):
        monkeypatch.setenv("NPUQ_KERNELS", kernels)
        k = quantize(y, n, phases)
        np.testing.assert_array_equal(k, floor.astype(np.int64) + 1, err_msg=kernels)
        assert k[0, -1, 0] == 2**31 - 127 and k[0, -1, 1] == -(2**31) + 129


@twins
def test_what_no_symbol_can_hold_is_refused() -> None:
    n = np.zeros((1, 2), np.uint8)
    for far in (2.0**31, -(2.0**31), np.inf, -np.inf, np.nan):
        with pytest.raises(ModelError, match="beyond"):
            quantize(np.array([[0, far]], np.float32), n, PHASES["hard"])


@twins
def test_the_receiver_adds_in_float32() -> None:
    """u is a multiple of 1/512, so that k + u is exact below 2^15; beyond, k is rounded, then u."""
    n = np.arange(256, dtype=np.uint8)[None]
    u = (2 * n.astype(np.float64) - 255) / 512
    for k in (0, 1 - 2**15, 2**15 - 1):
        np.testing.assert_array_equal(reconstruct(np.full(n.shape, k, np.int32), n, 0.0), k + u)
    for k in (2**20 + 1, -(2**24) - 1, 2**31 - 1, -(2**31)):
        r = reconstruct(np.full(n.shape, k, np.int32), n, 0.0)
        assert r.dtype == np.float32
        np.testing.assert_array_equal(r, np.float32(k) + u.astype(np.float32))
