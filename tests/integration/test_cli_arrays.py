"""The commands on arrays: .npy files there and back, what `info` says, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import npuq
from npuq.backend import Array
from npuq.cli import main
from npuq.codec.files import compress
from npuq.evaluation.landscape import landscape
from npuq.io.npy import npy_of_array

FAMILIES: dict[str, Any] = {
    "normal": scipy.stats.norm,
    "laplace": scipy.stats.laplace,
    "logistic": scipy.stats.logistic,
}


def draw(family: str, shape: tuple[int, ...] = (4, 60, 50)) -> Array:
    distribution = FAMILIES[family](loc=1.5, scale=3.0)
    return np.asarray(distribution.rvs(shape, random_state=3), np.float32)


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


@pytest.mark.parametrize("family", FAMILIES)
def test_the_density_that_fits_is_found_and_takes_the_fewest_bytes(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    y, source, file = draw(family), str(tmp_path / "y.npy"), str(tmp_path / "y.npuq")
    np.save(source, y)
    sizes = {}
    for density in (*FAMILIES, "fit"):
        facts = run_json(capsys, "compress", source, file, "--step", "0.5", "--density", density)
        told = run_json(capsys, "info", file)
        sizes[density] = told["payload_bytes"]
        assert facts["bytes"] == told["bytes"] == Path(file).stat().st_size
    assert facts["density"].startswith(family) and told["tables"] == facts["density"]
    assert sizes["fit"] == sizes[family] == min(sizes.values())
    ideal = FAMILIES[family](loc=1.5, scale=3.0)
    p = np.diff([ideal.cdf(y - 0.25), ideal.cdf(y + 0.25)], axis=0)
    # of y and not y + U, and fitted to the sample: some bits in 12,000 coefficients
    assert 8 * sizes["fit"] == pytest.approx(-np.log2(p).sum(), rel=0.01)


@pytest.mark.parametrize("options", [[], ["--method", "un+q"], ["--alpha", "4"], ["--seed", "9"]])
def test_there_and_back(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = [
        draw("normal"),
        np.asfortranarray(draw("normal", (30, 20)).astype(">f8")),
        np.full(5, 3.0, np.float16),
        np.zeros((0, 3)),
    ]
    for i, y in enumerate(arrays):
        source, file, back = (str(tmp_path / f"{i}{end}") for end in (".npy", ".npuq", "b.npy"))
        np.save(source, y)
        run_json(capsys, "compress", source, file, "--step", "0.5", *options)
        facts = run_json(capsys, "decompress", file, back)
        decoded = np.load(back)
        assert facts["shape"] == list(y.shape) and decoded.shape == y.shape
        assert decoded.dtype == y.dtype.newbyteorder("=")
        assert np.all(abs(decoded - y) <= (0.5 if "--alpha" in options else 0.2501))
        told = run_json(capsys, "info", file)
        expected = "un+uq+sr" if "--alpha" in options else "un+uq"
        assert told["method"] == ("un+q" if "un+q" in options else expected)
        assert told["seed"] == (9 if "--seed" in options else 0)


@pytest.mark.parametrize("axis", ["0", "-2"])
def test_each_channel_has_the_density_that_fits_it(
    axis: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of its own kind, location and scale; `info` counts them, and says along which axis."""
    rng, size = np.random.default_rng(5), (3, 60, 70)
    y = np.stack([rng.normal(9, 1, size), rng.laplace(-50, 2, size), rng.laplace(0, 30, size)])
    y = np.moveaxis(y, 0, int(axis))
    source, file, back = (str(tmp_path / name) for name in ("y.npy", "y.npuq", "b.npy"))
    np.save(source, y)
    run_json(capsys, "compress", source, file, "--step=0.5")
    one = run_json(capsys, "info", file)
    facts = run_json(capsys, "compress", source, file, "--step=0.5", f"--channels={axis}")
    assert facts["density"] == "3 channels: 1 normal, 2 laplace"
    told = run_json(capsys, "info", file)
    bits, of_one = (8 * info["payload_bytes"] / y.size for info in (told, one))
    assert bits == pytest.approx((3.06 + 4.46 + 8.35) / 3, rel=0.02)  # their entropies
    assert of_one > 6.5
    assert (told["channels"], told["channel_axis"]) == (3, int(axis) % 4)
    assert (told["tables"], told["levels"]) == (facts["density"], None)
    run_json(capsys, "decompress", file, back)
    assert abs(np.load(back) - y).max() <= 0.2501


def test_tables_of_a_file_stay_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y = np.random.default_rng(5).normal(0, [[1.0], [9.0]], (50, 2, 40))
    source, file, back, t = (str(tmp_path / name) for name in ("y.npy", "y.npuq", "b.npy", "t.npz"))
    np.save(source, y)
    npuq.save_tables(
        t, npuq.make_tables([scipy.stats.norm(scale=s) for s in (1, 9)], step=0.5, name="mine")
    )
    facts = run_json(
        capsys, "compress", source, file, "--tables", t, "--channels=1", "--method=un+q"
    )
    assert facts["density"] == "mine"
    told = run_json(capsys, "info", file)
    assert (told["tables_bytes"], told["tables"], told["method"]) == (0, None, "un+q")
    assert told["tables_hash"] == run_json(capsys, "info", t)["hash"]
    run_json(capsys, "decompress", file, back, "--tables", t)
    np.testing.assert_array_equal(np.load(back), np.floor(2 * y + 0.5) / 2)


@pytest.mark.parametrize("shape", [(), (0, 3), (3, 4)])
def test_arrays_go_to_standard_output(
    shape: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    y = np.asarray(np.random.default_rng(1).normal(size=shape))
    np.save("y.npy", y)
    assert main(["compress", "y.npy", "y.npuq", "--step", "0.5"]) == 0
    capsysbinary.readouterr()
    assert main(["decompress", "y.npuq", "-"]) == 0
    decoded = np.load(io.BytesIO(capsysbinary.readouterr().out))
    assert decoded.shape == shape and np.all(abs(decoded - y) <= 0.25)


def test_info_tells_of_tables_and_of_several_arrays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = npuq.make_scale_tables(step=0.25, levels=128, name="mine")
    npuq.save_tables(tmp_path / "t.npz", tables)
    told = run_json(capsys, "info", str(tmp_path / "t.npz"))
    assert told["hash"] == tables.hash.hex() and (told["levels"], told["step"]) == (128, 0.25)
    data = b"".join(
        npuq.encode_array(np.zeros(n), tables, scales=np.ones(n, int), tensor=n) for n in (3, 5)
    )
    (tmp_path / "two.npuq").write_bytes(data)
    told = run_json(capsys, "info", str(tmp_path / "two.npuq"))
    assert [one["shape"] for one in told["arrays"]] == [[3], [5]]
    assert sum(one["bytes"] for one in told["arrays"]) == len(data)
    assert main(["info", str(tmp_path / "two.npuq")]) == 0


def test_info_tells_of_lattices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    densities = [scipy.stats.norm(scale=s) for s in (2, 3)]
    tables = npuq.make_lattice_tables(densities, lattice="D4", step=0.25, name="mine")
    npuq.save_lattice_tables(tmp_path / "t.npz", tables)
    told = run_json(capsys, "info", str(tmp_path / "t.npz"))
    assert told["type"] == "tables" and told["hash"] == tables.hash.hex()
    assert (told["lattice"], told["step"], told["channels"]) == ("D4", 0.25, 2)
    assert told["alpha"] is None and told["levels"] is None
    plain = npuq.make_tables(scipy.stats.norm(), alpha=2.0)
    data = npuq.encode_vectors(np.zeros((2, 3)), tables, embed=True)
    (tmp_path / "two.npuq").write_bytes(data + npuq.encode_array(np.zeros(5), plain, embed=True))
    first, second = run_json(capsys, "info", str(tmp_path / "two.npuq"))["arrays"]
    assert (first["lattice"], first["tables"], first["step"]) == ("D4", "mine", 0.25)
    assert (second["lattice"], second["alpha"]) == (None, 2.0)
    (tmp_path / "one.npuq").write_bytes(data)
    assert main(["info", str(tmp_path / "one.npuq")]) == 0
    for options in ([], ["--tables", str(tmp_path / "t.npz")]):
        words = ["decompress", str(tmp_path / "one.npuq"), str(tmp_path / "out.npy"), *options]
        assert main(words) == 2
        assert "lattice tables, for encode_vectors and decode_vectors" in capsys.readouterr().err


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("y.npy", draw("normal", (5, 4)))
    np.save("integers.npy", np.arange(5))
    np.save("nan.npy", np.array([1.0, np.nan]))
    np.save("far.npy", np.array([1e6, 1e6 + 1]))
    whole = b"".join(npy_of_array(np.zeros(9)))
    Path("cut.npy").write_bytes(whole[:-1])
    Path("huge.npy").write_bytes(whole.replace(b"(9,)", b"(9999999999999999,)"))
    assert main(["compress", "y.npy", "y.npuq", "--step", "1"]) == 0
    Path("more.npuq").write_bytes(Path("y.npuq").read_bytes() + b"0")
    Path("cut.npuq").write_bytes(Path("y.npuq").read_bytes()[:-1])
    Path("image.npuq").write_bytes(compress(landscape(16, 16, seed=1)))
    tables = npuq.make_tables(scipy.stats.norm())
    Path("bare.npuq").write_bytes(npuq.encode_array(np.zeros(3), tables))
    npuq.save_tables("other.npz", npuq.make_tables(scipy.stats.norm(scale=2)))
    npuq.save_tables("levels.npz", npuq.make_scale_tables(levels=2))
    npuq.save_tables("two.npz", npuq.make_tables([scipy.stats.norm(scale=s) for s in (1, 2)]))
    np.save("wide.npy", np.zeros((2, 3000)))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("compress y.npy out", "--step"),
        ("compress y.npy out --tables none.npz", "none.npz: there is no such file of tables"),
        ("compress y.npy out --tables y.npy", "y.npy: no tables"),
        ("compress y.npy out --tables levels.npz", "levels.npz: are tables of scales"),
        ("compress y.npy out --tables two.npz", "must have 2 channels along axis 0"),
        ("compress y.npy out --tables other.npz --step 1", "leave these options out"),
        ("compress y.npy other.npz --tables other.npz", "other.npz: is an input"),
        ("compress y.npy out --step 1 --channels 2", "no axis 2"),
        ("compress y.npy out --step 1 --channels x", "whole number"),
        ("compress wide.npy out --step 1 --channels 1", "3000 channels along axis 1"),
        ("decompress bare.npuq out.npy --tables other.npz", "bare.npuq: the array needs tables"),
        ("decompress bare.npuq out.npy --tables levels.npz", "levels.npz: are tables of scales"),
        ("decompress image.npuq out.png --tables other.npz", "is no array"),
        ("compress y.npy out --step 0", "step must be"),
        ("compress y.npy out --step 1 --alpha -1", "alpha"),
        ("compress y.npy out --step 1 --quality 3", "--quality"),
        ("compress y.npy out --step 1 --model linear", "--model"),
        ("compress y.npy out --step 1 --method un+uq+sr", "soft rounding"),
        ("compress integers.npy out --step 1", "integers.npy: holds int64"),
        ("compress nan.npy out --step 1", "nan.npy: holds numbers"),
        ("compress far.npy out --step 0.001", "beyond 4000 steps"),
        ("compress cut.npy out --step 1", "cut.npy: is not as long"),
        ("compress huge.npy out --step 1", "huge.npy: is no"),
        ("decompress y.npuq out.png", "name a .npy file"),
        ("decompress y.npuq out.npy --format png", "--format"),
        ("decompress image.npuq out.npy", "is no array"),
        ("decompress more.npuq out.npy", "1 bytes follow"),
        ("decompress cut.npuq out.npy", "cut.npuq: the array takes"),
        ("decompress bare.npuq out.npy", "bare.npuq: the array needs tables"),
        ("info more.npuq", "more.npuq: this is not an array"),
    ],
)
def test_what_is_wrong_is_one_line_and_writes_nothing(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(Path().iterdir())
    capsys.readouterr()
    assert main(line.split()) == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert set(Path().iterdir()) == before


def test_options_of_arrays_are_not_for_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", str(tmp_path / "photo.png"), str(tmp_path / "out"), "--step=1"]) == 2
    assert "for arrays" in capsys.readouterr().err
