"""Model files: what is damaged or foreign is refused, whatever the damage."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from models import tiny_hyperprior, tiny_model

from npuq.errors import ModelError, WrongModelError
from npuq.model import Model
from npuq.model_file import load_model, make_model, save_model
from npuq.models.linear import CHANNELS
from npuq.nn.activations import softplus
from npuq.quantizer import hard_phases, plain_phases, soft_phases
from npuq.shipped import find_model

FLIPS = 250


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model(7.0)


@pytest.fixture(scope="module")
def contents(model: Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.npz"
    save_model(path, model)
    return path.read_bytes()


def test_phases_are_the_limits_of_soft_phases() -> None:
    np.testing.assert_array_equal(plain_phases(), soft_phases(0.0))
    np.testing.assert_array_equal(hard_phases(), soft_phases(np.inf))
    assert np.all(np.diff(soft_phases(16.0).astype(int)) >= 0)


def test_flipped_bits_never_escape_as_other_errors(contents: bytes, tmp_path: Path) -> None:
    """Each gives a ModelError, or the same model where the bit meant nothing."""
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.npz"
    refused = 0
    # half of them near the end, where the directory of the archive lies
    places = [
        *rng.integers(len(contents), size=FLIPS),
        *range(len(contents) - FLIPS, len(contents)),
    ]
    for place in places:
        data = bytearray(contents)
        data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            load_model(path)
        except ModelError as error:
            assert "flipped.npz" in str(error) or "model" in str(error)
            refused += 1
    assert refused > FLIPS


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(contents: bytes, part: float, tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    path.write_bytes(contents[: int(part * len(contents))])
    with pytest.raises(ModelError, match="short.npz"):
        load_model(path)


def _rewritten(contents: bytes, path: Path, **changes: object) -> Path:
    """The file with other arrays or manifest entries, without a new hash."""
    with np.load(io.BytesIO(contents)) as file:
        arrays = dict(file)
    manifest = json.loads(arrays["manifest"].tobytes())
    for key, value in changes.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
        else:
            manifest[key] = value
    arrays["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"analysis": np.zeros((100, 3, 8, 8), np.float32)},
        {"analysis": np.zeros((CHANNELS, 3, 8, 8))},
        {"synthesis": np.full((CHANNELS, 3, 8, 8), np.nan, np.float32)},
        {"phases": np.zeros(256, np.uint16)},
        {"kind": "hyperprior"},
        {"alpha": -1.0},
        {"alpha": 8.0},
        {"format": 2},
        {"hash": "00"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_contents_that_are_no_model_are_refused(
    contents: bytes, changes: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(ModelError):
        load_model(_rewritten(contents, tmp_path / "other.npz", **changes))


def test_the_name_is_free(contents: bytes, model: Model, tmp_path: Path) -> None:
    renamed = load_model(_rewritten(contents, tmp_path / "renamed.npz", name="other"))
    assert (renamed.name, renamed.hash) == ("other", model.hash)


@pytest.mark.parametrize("alpha", [-1.0, np.inf, np.nan])
def test_softness_must_be_finite(alpha: float, model: Model) -> None:
    with pytest.raises((ModelError, ValueError)):
        make_model(model.params, alpha=alpha, lmbda=1.0, name="x")


def test_find_model(model: Model) -> None:
    assert find_model(model.hash, model) is model
    with pytest.raises(WrongModelError, match="needs model"):
        find_model(b"another!", model)
    with pytest.raises(WrongModelError, match="does not come with npuq"):
        find_model(b"another!")


def test_hyper_latents_are_quantized_about_their_medians() -> None:
    """Of a density that is symmetric about 2.25, whatever the channel."""
    params = tiny_hyperprior(0.0).params
    density = params.hyper_density
    centred = density._replace(b=tuple(np.zeros_like(b) for b in density.b))
    assert not make_model(
        params._replace(hyper_density=centred), alpha=0.0, lmbda=1.0, name="x"
    ).hyper.offset.any()
    slope = softplus(density.H[0])
    moved = centred._replace(b=(-2.25 * slope.astype(np.float32), *centred.b[1:]))
    model = make_model(params._replace(hyper_density=moved), alpha=0.0, lmbda=1.0, name="x")
    assert np.all(np.abs(model.hyper.offset - 512 * 2.25) <= 1)
