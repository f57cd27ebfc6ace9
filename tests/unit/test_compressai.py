"""State dicts of CompressAI without CompressAI: names, and what is refused."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import unequal

from npuq.backend import Array
from npuq.errors import ModelError
from npuq.exchange.compressai import QUANTILES, check_state, export_state, import_state
from npuq.exchange.compressai_names import CLASSES, architecture
from npuq.exchange.state_dict import read_state_dict, write_state_dict
from npuq.models import factorized, hyperprior, linear
from npuq.trained.make import make_model

N, M = 3, 4
SCALES = "entropy_bottleneck.matrices.2"


@functools.cache
def _exported(arch: str) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    params: Any
    if arch == "bmshj2018-factorized":
        params, medians = factorized.init(rng, channels=N, latents=M), [5, -6, 0, 700]
    else:
        means = arch == "mbt2018-mean"
        params = hyperprior.init(rng, channels=N, latents=M, means=means)
        medians = [5, -6, 700]
    params = unequal.unequal(rng, params, 0.1)
    return export_state(
        make_model(params, alpha=0.0, lmbda=1.0, name="x", medians=np.array(medians))
    )


def exported(arch: str = "mbt2018-mean") -> dict[str, Any]:
    return dict(_exported(arch))


@pytest.mark.parametrize("arch", CLASSES)
def test_architecture_and_sizes_follow_from_the_state_dict(arch: str) -> None:
    model = import_state(exported(arch), name="x", lmbda=0.25)
    assert architecture(model.params) == arch
    assert (model.name, model.lmbda, model.alpha) == ("x", 0.25, 0.0)
    assert model.params.analysis[0].w.shape == (N, 3, 5, 5)
    assert model.params.analysis[-1].w.shape == (M, N, 5, 5)
    medians = model.medians
    assert medians is not None and medians[0] == 5 and medians[-1] == 700


def needed(state: dict[str, Any]) -> dict[str, Any]:
    """Without buffers."""
    kept = (".weight", ".bias", ".beta", ".gamma")
    groups = ("matrices", "factors", "biases")
    return {
        name: array
        for name, array in state.items()
        if name.endswith(kept) or name == QUANTILES or name.split(".")[-2] in groups
    }


@pytest.mark.parametrize("arch", CLASSES)
def test_buffers_are_not_needed(arch: str) -> None:
    """Nor are tables of whatever size an obstacle; nor is double precision."""
    state = exported(arch)
    model = import_state(state, name="x")
    less = {name: array.astype(np.float64) for name, array in needed(state).items()}
    less["entropy_bottleneck._quantized_cdf"] = np.ones((M, 17), np.int32)
    less["entropy_bottleneck._offset"] = np.ones(M, np.int32)
    assert len(less) < len(state)
    assert import_state(less, name="x").hash == model.hash


@pytest.mark.parametrize("arch", CLASSES)
def test_every_array_that_is_needed_is_missed(arch: str) -> None:
    state = needed(exported(arch))
    stacks = (4, 4) if arch == "bmshj2018-factorized" else (4, 4, 3, 3)
    assert len(state) == 2 * sum(stacks) + 2 * (3 + 3) + (5 + 4 + 5) + 1
    for name in state:
        less = {key: array for key, array in state.items() if key != name}
        with pytest.raises(ModelError, match=f"no {name}"):
            import_state(less, name="x")


def nan(name: str) -> dict[str, Any]:
    array = exported()[name].copy()
    array.flat[-1] = np.nan
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context_prediction.weight": np.zeros(3)}, "context_prediction.weight, which mbt2018"),
        ({"h_s.6.weight": np.zeros(3)}, "h_s.6.weight"),
        ({"g_a.1.beta": np.ones(N + 1, np.float32)}, "g_a.1.beta"),
        ({"g_a.0.weight": np.float32(1)}, "a size that npuq does not know"),
        ({"g_a.0.weight": np.zeros((2, 3, 5, 5), np.float32)}, "g_a.0.bias"),
        ({"g_a.6.weight": np.zeros((5, N, 5, 5), np.float32)}, "g_a.6.bias"),
        ({"h_s.4.weight": np.zeros((M + 1, 6, 3, 3), np.float32)}, "h_s.0.weight"),
        ({"h_s.4.bias": np.zeros(M, np.float32)}, "h_s.4.bias"),
        ({"h_a.0.bias": np.zeros(N, np.int64)}, "type int64"),
        ({"h_a.0.bias": np.full(N, "a")}, "h_a.0.bias"),
        ({"h_a.0.bias": np.full(N, 1e300)}, "h_a.0.bias of the state dict holds values"),
        (nan("g_s.6.weight"), "g_s.6.weight of the state dict holds values"),
        (nan(SCALES), SCALES),
        (nan(QUANTILES), QUANTILES),
        ({QUANTILES: np.zeros((N, 3), np.float32)}, QUANTILES),
        ({QUANTILES: np.full((N, 1, 3), 1e9, np.float32)}, "beyond 2"),
        ({"g_a.1.beta_reparam.pedestal": np.array([1e-3], np.float32)}, "pedestal"),
        ({"g_a.1.beta_reparam.pedestal": np.zeros((2, 2), np.float32)}, "pedestal"),
        ({"gaussian_conditional.scale_bound": np.array([0.5], np.float32)}, "scale_bound"),
        ({"h_s.0.weight": np.full((N, M, 5, 5), 1e6, np.float32)}, "too large"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        import_state(exported() | changes, name="x")


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"weight": np.zeros(3, np.float32)},
        {"analysis.0.w": np.zeros((N, 3, 5, 5), np.float32)},
        {"g_a.0.weight": np.zeros((N, 3, 5, 5), np.float32)},
    ],
    ids=str,
)
def test_other_state_dicts_are_of_no_architecture_that_we_know(state: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"no g_a\.[06]\.weight: it is not that of mbt2018-mean"):
        import_state(state, name="x")


def test_relu_in_the_place_of_gdn_is_refused() -> None:
    """bmshj2018-factorized-relu has the same names otherwise."""
    state = {
        name: array
        for name, array in exported("bmshj2018-factorized").items()
        if not any(f".{i}." in name for i in (1, 3, 5)) or name.startswith("entropy")
    }
    with pytest.raises(ModelError, match="no g_a.1.beta"):
        import_state(state, name="x")


def test_linear_models_have_no_place_in_compressai() -> None:
    params = linear.init(np.random.default_rng(0), start="jpeg", step=30.0)
    with pytest.raises(ModelError, match="linear kind"):
        export_state(make_model(params, alpha=0.0, lmbda=1.0, name="x"))


@pytest.mark.parametrize("arch", CLASSES)
def test_state_dicts_of_half_precision(arch: str) -> None:
    """The pedestal of GDN, 2^-36, is 0 there."""
    state = {name: np.asarray(array).astype(np.float16) for name, array in exported(arch).items()}
    model = import_state(state, name="x")
    assert architecture(model.params) == arch


def test_widths_are_looked_at_before_memory_is_taken() -> None:
    state = exported() | {"g_a.0.weight": np.zeros((3_000_000, 0, 5, 5), np.float32)}
    with pytest.raises(ModelError, match="3000000 outputs"):
        import_state(state, name="x")
    with pytest.raises(ModelError, match="lmbda"):
        import_state(exported(), name="x", lmbda=-1.0)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_names_of_wrapped_models_are_understood(prefix: str) -> None:
    """Of DataParallel and of torch.compile, around the whole or around a part."""
    expected = import_state(exported(), name="x").hash
    wrapped = {prefix + name: array for name, array in exported().items()}
    assert import_state(wrapped, name="x").hash == expected
    part = {name.replace("g_a.", "g_a._orig_mod."): array for name, array in exported().items()}
    assert import_state(part, name="x").hash == expected
    with pytest.raises(ModelError, match="twice"):
        import_state(exported() | {prefix + "g_a.0.bias": np.zeros(N, np.float32)}, name="x")


@pytest.mark.parametrize("value", [None, [1.0, 2.0], "text", {"a": 1}])
def test_what_is_no_array_is_named(value: Any) -> None:
    with pytest.raises(ModelError, match="g_a.2.bias of the state dict is .*, not an array"):
        import_state(exported() | {"g_a.2.bias": value}, name="x")


def test_names_and_shapes_are_checked_before_an_array_is_read(tmp_path: Path) -> None:
    write_state_dict(tmp_path / "sound.npz", exported())
    state = read_state_dict(tmp_path / "sound.npz", check_state)
    assert import_state(state, name="x").hash == import_state(exported(), name="x").hash
    write_state_dict(tmp_path / "more.npz", exported() | {"junk": np.zeros(3)})
    with pytest.raises(ModelError, match=r"more.npz: the state dict holds junk"):
        read_state_dict(tmp_path / "more.npz", check_state)
    assert "junk" in read_state_dict(tmp_path / "more.npz")
