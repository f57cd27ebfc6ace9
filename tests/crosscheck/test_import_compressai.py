"""Imported models beside CompressAI's own: the same function, and files as long as it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_compressai import our_values, state_of, their_net, their_values
from models import picture

from npuq.cli import main
from npuq.codec.files import compress, decompress, estimated_bits, quantize
from npuq.exchange.compressai import export_state, import_state
from npuq.exchange.compressai_names import CLASSES, architecture
from npuq.exchange.state_dict import read_state_dict
from npuq.nn.parameters import named_arrays
from npuq.trained.model import Model
from npuq.trained.model_file import load_model

N, M = 6, 10
EPSILON = 1e-9  # CompressAI's least likelihood


@pytest.fixture(scope="module", params=sorted(CLASSES))
def case(request: Any) -> tuple[str, Any, Model]:
    net = their_net(request.param, N, M)
    return request.param, net, import_state(state_of(net), name="theirs", lmbda=0.013)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_imported_model_is_the_same_function(case: Any, dtype: Any) -> None:
    """To 1e-5 of the largest value; likelihoods in float64 to 1e-5 of themselves."""
    arch, net, model = case
    assert architecture(model.params) == arch
    x = np.stack([picture(64, 128, seed) for seed in (1, 2)]).astype(dtype) / dtype(255)
    found, expected = our_values(model, x), their_values(net, x)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        without = name == "mu" and arch == "bmshj2018-hyperprior"
        assert found[name].dtype == dtype and (np.std(value) > 0.01) != without, name
        error = np.abs(found[name] - value)
        if name.startswith("bits"):
            assert np.max(value) < -np.log2(EPSILON)  # nothing is cut off
            error, value = np.abs(2.0 ** -found[name] - 2.0**-value), 2.0**-value
            if dtype == np.float64:
                assert np.all(error <= 1e-5 * value), name
        assert np.max(error) <= 1e-5 * np.max(np.abs(value)), name


def test_a_file_is_as_long_as_their_likelihoods_and_decodes_to_their_picture(case: Any) -> None:
    """Within 1 % and 64 bytes, and within a grey level."""
    _, net, model = case
    image = picture(320, 448, 3)
    expected = their_values(net, image[None].astype(np.float32) / np.float32(255))
    data = compress(image, method="un+q", model=model)
    nominal = sum(value.sum() for name, value in expected.items() if name.startswith("bits")) / 8
    estimated = estimated_bits(quantize(image, model, "un+q", 0), model, "un+q") / 8
    assert estimated == pytest.approx(nominal, rel=1e-5)
    assert nominal > 2000 and abs(len(data) - nominal) <= 0.01 * nominal + 64
    decoded = decompress(data, model=model)
    pixels = np.rint(255 * expected["x_hat"][0].clip(0, 1))
    assert np.max(np.abs(decoded - pixels)) <= 1 and np.std(pixels) > 10


def test_there_and_back_is_the_same_model(case: Any) -> None:
    _, _, model = case
    again = import_state(export_state(model), name="again")
    assert again.hash == model.hash  # of parameters, tables and medians


def test_a_strict_load_of_an_export_is_the_same_net(case: Any) -> None:
    """Its coder's tables reach far enough for what it codes after update()."""
    arch, net, model = case
    import torch

    image = picture(64, 64, 4)
    x = torch.tensor(image).permute(2, 0, 1)[None] / 255
    state = {name: torch.from_numpy(array) for name, array in export_state(model).items()}
    loaded = type(net)(N, M)
    assert state.keys() == loaded.state_dict().keys()
    loaded.load_state_dict(state, strict=True)
    loaded.eval()
    assert loaded.update()
    with torch.no_grad():
        expected, found = net(x), loaded(x)
        torch.testing.assert_close(found["x_hat"], expected["x_hat"], rtol=0, atol=0)
        torch.testing.assert_close(found["likelihoods"], expected["likelihoods"], rtol=0, atol=0)
        sent = loaded.compress(x)
        decoded = loaded.decompress(sent["strings"], sent["shape"])["x_hat"]
    torch.testing.assert_close(decoded, expected["x_hat"].clamp(0, 1))
    bits = sum(float(-p.log2().sum()) for p in found["likelihoods"].values())
    assert 8 * sum(len(s[0]) for s in sent["strings"]) <= 1.05 * bits + 128


def test_quantiles_of_an_export_bound_the_tails(case: Any) -> None:
    _, net, model = case
    loaded = type(net)(N, M)
    import torch

    loaded.load_state_dict({k: torch.from_numpy(a) for k, a in export_state(model).items()})
    quantiles = loaded.entropy_bottleneck.quantiles
    logits = loaded.entropy_bottleneck._logits_cumulative(quantiles, stop_gradient=True)
    target = loaded.entropy_bottleneck.target
    torch.testing.assert_close(logits[:, 0, ::2], target[None, ::2].expand(len(logits), -1))
    assert torch.equal(quantiles[:, 0, 1], net.entropy_bottleneck.quantiles[:, 0, 1])


def test_medians_are_rounded_to_the_unit_of_hyper_latents(case: Any) -> None:
    _, net, model = case
    quantiles = state_of(net)["entropy_bottleneck.quantiles"].copy()
    for shift in (-0.4, 0.8):
        quantiles[:, 0, 1] += np.float32(shift / 512)
        state = state_of(net) | {"entropy_bottleneck.quantiles": quantiles}
        assert import_state(state, name="x").hash == model.hash


def older_group(name: str, dotted: bool) -> str:
    for current, plural, singular in (
        ("matrices.", "_matrices.", "_matrix"),
        ("biases.", "_biases.", "_bias"),
        ("factors.", "_factors.", "_factor"),
    ):
        name = name.replace(
            f"entropy_bottleneck.{current}",
            f"entropy_bottleneck.{plural if dotted else singular}",
        )
    return name


@pytest.mark.parametrize("dotted", [False, True])
def test_checkpoints_as_scripts_write_them(case: Any, dotted: bool, tmp_path: Path) -> None:
    """With the tables of update(), wrapped, from several GPUs, and in the names of older versions;
    the command makes the file that the library does."""
    arch, _, model = case
    import torch

    net = their_net(arch, N, M)
    net.update()
    names = {name: f"module.{older_group(name, dotted)}" for name in net.state_dict()}
    state = {names[name]: tensor for name, tensor in net.state_dict().items()}
    path, out = tmp_path / f"{arch}.pth.tar", tmp_path / "model.npz"
    torch.save({"epoch": 3, "state_dict": state, "loss": 1.5}, path)
    assert main(["import-compressai", str(path), str(out), "--lmbda=0.013"]) == 0
    found = load_model(out)
    assert (found.name, found.lmbda, found.hash) == (arch, 0.013, model.hash)
    assert found.training == {"imported": f"CompressAI, {arch}"}


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_commands_there_and_back(case: Any, suffix: str, tmp_path: Path, capsys: Any) -> None:
    arch, net, model = case
    state, first, second = (tmp_path / n for n in ("a.npz", "b.npz", f"c{suffix}"))
    np.savez(state, **state_of(net))
    assert main(["import-compressai", str(state), str(first), "--name=mine"]) == 0
    said = capsys.readouterr().out
    assert arch in said and f"N = {N}, M = {M}" in said and model.hash.hex() in said
    assert main(["export-compressai", str(first), str(second)]) == 0
    assert CLASSES[arch] in capsys.readouterr().out
    found, expected = read_state_dict(second), export_state(model)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_half_precision_is_read(case: Any, tmp_path: Path) -> None:
    """bfloat16 too, which NumPy does not have."""
    _, net, model = case
    import torch

    state = {
        name: tensor.bfloat16() if tensor.is_floating_point() else tensor
        for name, tensor in net.state_dict().items()
    }
    torch.save(state, tmp_path / "half.pt")
    half = import_state(read_state_dict(tmp_path / "half.pt"), name="half")
    for name, array in named_arrays(half.params).items():
        np.testing.assert_allclose(array, named_arrays(model.params)[name], rtol=2**-8)
