"""Models of CompressAI (Bégaint, Racapé, Feltman & Pushparaja 2020) as models of ours, and back.

    mbt2018-mean            MeanScaleHyperprior    hyperprior
    bmshj2018-hyperprior    ScaleHyperprior        hyperprior without means
    bmshj2018-factorized    FactorizedPrior        factorized

A state dict names the same arrays otherwise, in the same shapes. Beside them it holds

    quantiles    of the non-parametric density, (C, 1, 3): its ends and its median m, about which
                 values are rounded, round(v - m) + m: our medians
    constants    of GDN and of the smallest scale: they must be those that we compute with
    the rest     integer tables of its coder, and bounds for training: of no use here; exported
                 empty, or as they are in a fresh model, since loading is strict
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from npuq.backend import Array
from npuq.errors import ModelError
from npuq.exchange.compressai_names import (
    architecture,
    current_names,
    state_name,
)
from npuq.models import factorized, hyperprior
from npuq.models.layers import SMALLEST_BETA
from npuq.nn import nonparametric
from npuq.nn.non_negative import PEDESTAL
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.normal import SMALLEST_SCALE
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.trained.density_tables import MEDIAN_UNIT
from npuq.trained.kind import Params
from npuq.trained.kinds import kind_of
from npuq.trained.make import make_model
from npuq.trained.model import Model

QUANTILES = "entropy_bottleneck.quantiles"
TAIL_MASS = 1e-9  # outside of the quantiles
FARTHEST_MEDIAN = 2.0**20
CONSTANTS_TOLERANCE = 0.01  # a state dict may be of half precision
SMALLEST_HALF = 2.0**-24  # what is smaller may be 0 there
WIDEST = 1 << 12  # channels; a file could claim any number


def import_state(state: Mapping[str, Array], *, name: str, lmbda: float = 0.0) -> Model:
    """A model of ours that computes what a model of CompressAI does.

    Args:
        state: arrays by the names of a state dict of one of the three architectures; which one,
            N and M follow from names and shapes. Names may hold "module." and "_orig_mod.", as
            those of models trained on several GPUs and of compiled ones do.
        name: for reports.
        lmbda: the lambda that it was trained with; 0 if it is not known.

    Returns:
        The model, for the methods un+q and un+uq.

    Raises:
        ModelError: lmbda is negative or not finite; the state dict is of another architecture; an
            array is missing, unknown, of another shape, or not finite; or a constant is not that of
            the architecture.

    Departure: medians are rounded to 1/512, the unit in which hyper-latents enter the integer
        network of the scales. That moves what is rounded about them by less than 0.001.
    """
    if not 0 <= lmbda < math.inf:
        raise ModelError(f"lmbda must be finite and not negative, not {lmbda}")
    check_state(state)
    state = current_names(state)
    like = _like(state)
    constants, shapes = _constants(like), named_arrays(like)
    arrays = {ours: _array(state, state_name(ours)) for ours in shapes}
    for key in sorted(constants.keys() & state.keys()):
        value = float(_array(state, key)[0])
        if not math.isclose(
            value, constants[key][0], rel_tol=CONSTANTS_TOLERANCE, abs_tol=SMALLEST_HALF
        ):
            raise ModelError(f"{key} of the state dict is {value:.3g}, not {constants[key][0]:.3g}")
    medians = _array(state, QUANTILES)[:, 0, 1].astype(np.float64)
    if np.max(np.abs(medians)) > FARTHEST_MEDIAN:
        raise ModelError(f"{QUANTILES} of the state dict has medians beyond 2^20")
    return make_model(
        with_arrays(like, arrays),
        alpha=0.0,
        lmbda=lmbda,
        name=name,
        medians=np.rint(MEDIAN_UNIT * medians).astype(np.int32),
        training={"imported": f"CompressAI, {architecture(like)}"},
    )


def check_state(state: Mapping[str, Array]) -> None:
    """Check names, shapes and types of a state dict, whatever its values.

    Args:
        state: as for `import_state`; of the arrays nothing but shape and type is looked at.

    Raises:
        ModelError: as `import_state`, for what concerns them.
    """
    state = current_names(state)
    like = _like(state)
    shapes = {state_name(ours): array.shape for ours, array in named_arrays(like).items()}
    needed = shapes | {QUANTILES: (len(_density(like).H[0]), 1, 3)}
    constants = dict.fromkeys(_constants(like), (1,))
    unknown = sorted(state.keys() - needed.keys() - constants.keys() - _rest(like).keys())
    if unknown:
        raise ModelError(
            f"the state dict holds {unknown[0]}, which {architecture(like)} does not have"
        )
    for name, shape in needed.items():
        if name not in state:
            raise ModelError(f"the state dict has no {name}, which {architecture(like)} needs")
        _check_array(name, state[name], shape, like)
    for name, shape in constants.items():
        if name in state:
            _check_array(name, state[name], shape, like)


def export_state(model: Model) -> dict[str, Array]:
    """The state dict of the CompressAI model that computes what a model of ours does.

    Args:
        model: of the kind "hyperprior" or "factorized".

    Returns:
        Arrays by name, all that a strict `load_state_dict` asks for. The tables of CompressAI's
        coder are empty; its `update()` makes them.

    Raises:
        ModelError: a model of another kind.
    """
    if model.medians is None:
        raise ModelError(f"model {model.name} is of the {model.kind} kind, which CompressAI lacks")
    state = {state_name(ours): array for ours, array in named_arrays(model.params).items()}
    state |= _constants(model.params) | _rest(model.params)
    state[QUANTILES] = _quantiles(_density(model.params), model.medians / MEDIAN_UNIT)
    return state


def _like(state: Mapping[str, Array]) -> Params:
    """The shapes of the architecture and size of a state dict."""

    def outputs(name: str) -> int:
        if name not in state:
            raise ModelError(
                f"the state dict has no {name}: it is not that of mbt2018-mean, "
                "bmshj2018-hyperprior or bmshj2018-factorized"
            )
        count = state[name].shape[0] if state[name].ndim else 0
        if count > WIDEST:
            raise ModelError(f"{name} of the state dict has {count} outputs, more than {WIDEST}")
        return count

    N, M = outputs("g_a.0.weight"), outputs("g_a.6.weight")
    try:
        if not any(name.startswith(("h_a.", "h_s.")) for name in state):
            return factorized.shapes(channels=N, latents=M)
        means = outputs("h_s.4.weight") == 2 * M
        return hyperprior.shapes(channels=N, latents=M, means=means)
    except ValueError as error:
        raise ModelError(f"the state dict is of a size that npuq does not know: {error}") from error


def _density(params: Params) -> NonparametricParams:
    """What the entropy bottleneck holds: the density of hyper-latents, or of latents."""
    density = kind_of(params).density
    assert density is not None, "of an architecture of CompressAI's"
    return density(params)


def _check_array(name: str, array: Array, shape: tuple[int, ...], like: Params) -> None:
    if array.shape != shape or array.dtype.kind != "f":
        raise ModelError(
            f"{name} of the state dict has shape {array.shape} and type {array.dtype}; "
            f"{architecture(like)} needs floats of shape {shape}"
        )


def _array(state: Mapping[str, Array], name: str) -> Array:
    """An array of the state dict, float32 and finite."""
    with np.errstate(over="ignore"):
        array: Array = state[name].astype(np.float32)
    if not np.all(np.isfinite(array)):
        raise ModelError(f"{name} of the state dict holds values that are not finite")
    return array


def _constants(params: Params) -> dict[str, Array]:
    """What CompressAI keeps beside the parameters and computes with, by name."""
    constants: dict[str, float] = {}
    for ours in named_arrays(params):
        if "_gdn." in ours:
            minimum = SMALLEST_BETA if ours.endswith(".beta") else 0.0
            reparam = f"{state_name(ours)}_reparam"
            constants[f"{reparam}.pedestal"] = PEDESTAL
            constants[f"{reparam}.lower_bound.bound"] = math.sqrt(minimum + PEDESTAL)
    if kind_of(params).scales is not None:
        constants["gaussian_conditional.scale_bound"] = SMALLEST_SCALE
        constants["gaussian_conditional.lower_bound_scale.bound"] = SMALLEST_SCALE
    return {name: np.array([value], np.float32) for name, value in constants.items()}


def _rest(params: Params) -> dict[str, Array]:
    """What else a state dict holds, as a fresh model has it."""
    tail = _tail_logit()
    rest = {"entropy_bottleneck.target": np.array([-tail, 0.0, tail], np.float32)}
    coders = ["entropy_bottleneck"]
    if kind_of(params).scales is not None:
        coders.append("gaussian_conditional")
        rest["gaussian_conditional.scale_table"] = np.zeros(0, np.float32)
    for coder in coders:
        rest[f"{coder}.likelihood_lower_bound.bound"] = np.array([1e-9], np.float32)
        for table in ("_offset", "_quantized_cdf", "_cdf_length"):
            rest[f"{coder}.{table}"] = np.zeros(0, np.int32)
    return rest


def _tail_logit() -> float:
    """The logit of 1 - TAIL_MASS / 2."""
    return math.log(2 / TAIL_MASS - 1)


def _quantiles(density: NonparametricParams, medians: Array) -> Array:
    """(C, 1, 3) float32: where TAIL_MASS / 2 lies below, our medians, where as much lies above."""
    exact = cast(density, np.float64)
    columns = [
        nonparametric.inverse_logits(-_tail_logit(), exact),
        medians,
        nonparametric.inverse_logits(_tail_logit(), exact),
    ]
    return np.stack(columns, axis=1)[:, None].astype(np.float32)
