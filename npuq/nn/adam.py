"""Adam (Kingma & Ba 2015, Algorithm 1), as a function from a state to the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from npuq.backend import Array, xp_of
from npuq.runtime.twins import has_twins


class AdamState(NamedTuple):
    """What Adam remembers: the steps taken and the moments, by the parameters' names."""

    step: int
    m: dict[str, Array]
    """Moving average of the gradient, biased towards its start at 0."""
    v: dict[str, Array]
    """Moving average of the squared gradient, likewise."""


def adam_init(params: Mapping[str, Array]) -> AdamState:
    """The state before the first step: no steps, all moments 0 (Kingma & Ba 2015, Alg. 1)."""
    return AdamState(
        step=0,
        m={name: xp_of(p).zeros_like(p) for name, p in params.items()},
        v={name: xp_of(p).zeros_like(p) for name, p in params.items()},
    )


def adam_step(
    params: Mapping[str, Array],
    grads: Mapping[str, Array],
    state: AdamState,
    learning_rate: float | Mapping[str, float],
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[dict[str, Array], AdamState]:
    """One step downhill, with bias-corrected moments (Kingma & Ba 2015, Algorithm 1).

    Args:
        params: by name.
        grads: by the same names, of the same shapes.
        state: of `adam_init` or of the step before.
        learning_rate: one for all, or one for each name. At 0 a parameter stays exactly as it is,
            but its moments move on, so that it starts with warm ones once its rate is raised.
        beta1: decay of the gradient's average.
        beta2: decay of the squared gradient's average.
        epsilon: added to the square root, outside of it.

    Returns:
        The new parameters and the new state, in fresh arrays of the parameters' dtypes.

    Raises:
        ValueError: `params`, `grads`, `state` and a `learning_rate` by name differ in their names,
            or a gradient has another shape than its parameter.
    """
    _check_names(params, grads, state, learning_rate)
    step = state.step + 1
    correction1 = 1 - beta1**step
    correction2 = 1 - beta2**step
    new_params, m, v = {}, {}, {}
    for name, p in params.items():
        if grads[name].shape != p.shape:
            raise ValueError(
                f"grads[{name!r}] has shape {grads[name].shape}; its parameter has {p.shape}"
            )
        rate = learning_rate[name] if isinstance(learning_rate, Mapping) else learning_rate
        new_params[name], m[name], v[name] = adam_update(
            p,
            grads[name],
            state.m[name],
            state.v[name],
            beta1=beta1,
            beta2=beta2,
            rate=float(rate),
            correction1=correction1,
            correction2=correction2,
            epsilon=epsilon,
        )
    return new_params, AdamState(step, m, v)


def _check_shapes(p: Array, g: Array, m: Array, v: Array, **numbers: float) -> None:
    if not p.shape == g.shape == m.shape == v.shape:
        shapes = ", ".join(str(a.shape) for a in (p, g, m, v))
        raise ValueError(f"p, g, m and v must have one shape, not {shapes}")


@has_twins(check=_check_shapes)
def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    beta1: float,
    beta2: float,
    rate: float,
    correction1: float,
    correction2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """One step of one parameter (Kingma & Ba 2015, Algorithm 1). It has fast twins.

    Args:
        p, g, m, v: of one shape: parameter, gradient, moments.
        beta1, beta2, rate, epsilon: Python numbers, as NumPy's would widen float32 arrays.
        correction1, correction2: 1 - beta1^t and 1 - beta2^t.

    Returns:
        The new p, m and v, of the dtype of `p`. At rate 0 the new p is p, to the last bit.
    """
    m_new = (beta1 * m + (1 - beta1) * g).astype(p.dtype, copy=False)
    v_new = (beta2 * v + (1 - beta2) * (g * g)).astype(p.dtype, copy=False)
    m_hat, v_hat = m_new / correction1, v_new / correction2
    return p - rate * m_hat / (xp_of(p).sqrt(v_hat) + epsilon), m_new, v_new


def _check_names(
    params: Mapping[str, Array],
    grads: Mapping[str, Array],
    state: AdamState,
    learning_rate: float | Mapping[str, float],
) -> None:
    by_name: dict[str, Mapping[str, Any]] = {"grads": grads, "state.m": state.m, "state.v": state.v}
    if isinstance(learning_rate, Mapping):
        by_name["learning_rate"] = learning_rate
    for what, mapping in by_name.items():
        if mapping.keys() != params.keys():
            names = ", ".join(sorted(mapping.keys() ^ params.keys()))
            raise ValueError(f"{what} and params must have the same names; they differ in {names}")
