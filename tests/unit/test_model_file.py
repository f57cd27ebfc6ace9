"""Model files: what is damaged or foreign is refused, whatever the damage."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from models import tiny_hyperprior, tiny_model

from npuq.codec.files import CODECS, compress, decompress
from npuq.errors import ModelError, WrongModelError
from npuq.io.archive import read_manifest
from npuq.models import factorized, hyperprior, linear
from npuq.models.linear import CHANNELS
from npuq.nn import nonparametric
from npuq.nn.activations import softplus
from npuq.nn.adam import AdamState
from npuq.nn.parameters import named_arrays
from npuq.trained.fingerprint import model_hash
from npuq.trained.kinds import KINDS
from npuq.trained.make import make_model
from npuq.trained.model import Model
from npuq.trained.model_file import load_model, save_model
from npuq.trained.phases import hard_phases, plain_phases, soft_phases
from npuq.trained.retired import RETIRED
from npuq.trained.shipped import WEIGHTS, find_model
from npuq.training.checkpoint import TrainingState, save_checkpoint
from npuq.training.options import TrainingOptions

FLIPS = 250


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model(7.0)


@pytest.fixture(scope="module")
def contents(model: Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.npz"
    save_model(path, model)
    return path.read_bytes()


def test_each_kind_of_model_has_a_codec_and_a_name() -> None:
    assert KINDS.keys() == CODECS.keys()
    for name, kind in KINDS.items():
        assert kind.name == name == CODECS[name].kind
        assert (kind.hyper_tables is None) == (kind.scales is None) == (CODECS[name].tensors == 1)
    types = [kind.params for kind in KINDS.values()]
    assert len(set(types)) == len(types)


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
    """The file with other arrays or manifest entries, or without, and without a new hash."""
    with np.load(io.BytesIO(contents)) as file:
        arrays = dict(file)
    manifest = json.loads(arrays["manifest"].tobytes())
    for key, value in changes.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
        else:
            manifest[key] = value
    if "manifest" not in changes:
        arrays["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez_compressed(path, **arrays)
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
        {"lmbda": float("nan")},
        {"lmbda": -1.0},
        {"manifest": np.zeros((1 << 20) + 1, np.uint8)},
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


@pytest.mark.parametrize("alpha", [-1.0, np.inf, np.nan, 1e39])
def test_softness_must_be_finite(alpha: float, model: Model) -> None:
    with pytest.raises(ModelError, match="alpha"):
        make_model(model.params, alpha=alpha, lmbda=1.0, name="x")
    with pytest.raises(ModelError, match="alpha_r"):
        make_model(model.params, alpha=7.0, alpha_r=alpha, lmbda=1.0, name="x")
    with pytest.raises(ModelError, match="lmbda"):
        make_model(model.params, alpha=7.0, lmbda=alpha if alpha != 1e39 else -1.0, name="x")


@pytest.mark.parametrize("alpha", [7.3, 1e30, 1e39, 1e300])
@pytest.mark.parametrize("name", ["alpha", "alpha_r"])
def test_softness_that_no_compressed_file_can_hold_is_refused(
    name: str, alpha: float, model: Model, tmp_path: Path
) -> None:
    """With a hash that fits: what is no float32 would only be noticed when compressing."""
    save_model(tmp_path / "model.npz", replace_hash(model._replace(**{name: alpha})))
    with pytest.raises(ModelError, match=f"{name} of a model must be a float32 number"):
        load_model(tmp_path / "model.npz")


def replace_hash(model: Model) -> Model:
    return model._replace(hash=model_hash(model))


def test_integers_of_other_types_or_orders_are_refused(tmp_path: Path) -> None:
    """With a hash that fits: the coder reads them without another look."""
    model = tiny_hyperprior()
    assert model.hyper is not None and model.medians is not None
    scales = model.hyper.scales
    hyper = [
        model.hyper._replace(scales=scales._replace(thresholds=thresholds))
        for thresholds in (
            scales.thresholds[::-1].copy(),
            scales.thresholds + 0.5,
            scales.thresholds.astype(np.int64),
        )
    ]
    for changed in (
        model._replace(medians=model.medians.astype(np.int64)),
        model._replace(phases=model.phases.astype(np.int32)),
        *(model._replace(hyper=coding) for coding in hyper),
    ):
        save_model(tmp_path / "model.npz", replace_hash(changed))
        with pytest.raises(ModelError, match="is not a model file"):
            load_model(tmp_path / "model.npz")


def test_what_make_model_takes_can_be_compressed_with(model: Model) -> None:
    """An alpha that is no float32 is rounded to one."""
    for alpha in (7.3, 1e30):
        made = make_model(model.params, alpha=alpha, lmbda=1.0, name="x")
        data = compress(np.full((8, 8, 3), 9, np.uint8), model=made)
        assert decompress(data, model=made).shape == (8, 8, 3)


def test_a_checkpoint_is_called_one(tmp_path: Path) -> None:
    one = {"w": np.ones(3)}
    state = TrainingState(3, one, AdamState(3, one, one), {}, [])
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, state, TrainingOptions(), {})
    with pytest.raises(ModelError, match=r"training checkpoint.*model\.npz beside it"):
        load_model(path)


def test_params_that_are_no_parameters_are_refused(model: Model) -> None:
    density = model.params.density
    for params in (
        None,
        model.params._replace(density=density._replace(a=density.a[:1])),
        model.params._replace(density=density._replace(b=(*density.b, density.b[0]))),
        model.params._replace(analysis=[1.0]),
        model.params._replace(synthesis=None),
        tiny_hyperprior().params._replace(analysis=()),
    ):
        with pytest.raises(ModelError):
            make_model(params, alpha=0.0, lmbda=1.0, name="x")  # type: ignore[arg-type]


def test_a_manifest_that_could_not_be_read_is_not_written(model: Model, tmp_path: Path) -> None:
    long = model._replace(training={"log": "x" * (1 << 20)})
    with pytest.raises(ModelError, match="longer than"):
        save_model(tmp_path / "model.npz", long)
    assert not list(tmp_path.iterdir())


def test_arrays_that_no_model_has_are_left_alone(
    contents: bytes, model: Model, tmp_path: Path
) -> None:
    path = _rewritten(contents, tmp_path / "more.npz", notes=np.zeros(1 << 20))
    assert load_model(path).hash == model.hash


@pytest.mark.parametrize("widths", [(3, 3, 3), (2,), ()])
def test_shapes_are_those_of_fresh_parameters(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (linear.shapes(widths), linear.init(rng, widths=widths)),
        (nonparametric.shapes(5, widths), nonparametric.init(rng, 5, widths=widths)),
        (factorized.shapes(channels=3, latents=5), factorized.init(rng, channels=3, latents=5)),
    ]
    for means in (True, False):
        size = {"channels": 3, "latents": 4, "means": means}
        pairs.append((hyperprior.shapes(**size), hyperprior.init(rng, **size)))
    for ours, theirs in pairs:
        assert type(ours) is type(theirs)
        sizes = [{n: a.shape for n, a in named_arrays(tree).items()} for tree in (ours, theirs)]
        assert sizes[0] == sizes[1] and list(sizes[0]) == list(sizes[1])


def test_find_model(model: Model) -> None:
    assert find_model(model.hash, model) is model
    with pytest.raises(WrongModelError, match="needs model"):
        find_model(b"another!", model)
    with pytest.raises(WrongModelError, match="does not come with npuq; give its model file"):
        find_model(b"another!")


@pytest.mark.parametrize(("wanted", "name", "version"), [(k, *v) for k, v in RETIRED.items()])
def test_a_retired_model_is_named_with_its_version(wanted: str, name: str, version: str) -> None:
    with pytest.raises(WrongModelError) as caught:
        find_model(bytes.fromhex(wanted))
    for word in (wanted, name, version, "decompress with"):
        assert word in str(caught.value)
    shipped = {read_manifest(path)["hash"] for path in WEIGHTS.glob("*.npz")}
    assert wanted not in shipped


def test_hyper_latents_are_quantized_about_their_medians() -> None:
    """Of a density that is symmetric about 2.25, whatever the channel."""
    params = tiny_hyperprior(0.0).params
    density = params.hyper_density
    centred = density._replace(b=tuple(np.zeros_like(b) for b in density.b))
    assert not make_model(
        params._replace(hyper_density=centred), alpha=0.0, lmbda=1.0, name="x"
    ).medians.any()
    slope = softplus(density.H[0])
    moved = centred._replace(b=(-2.25 * slope.astype(np.float32), *centred.b[1:]))
    model = make_model(params._replace(hyper_density=moved), alpha=0.0, lmbda=1.0, name="x")
    assert np.all(np.abs(model.medians - 512 * 2.25) <= 1)
