"""Lattice points to bytes and back: the law of the error, the rate, and what is refused."""

from __future__ import annotations

import contextlib
import doctest
import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from lattice_vectors import LATTICES as OF_THE_PAPER
from lattice_vectors import shortest_vectors

import npuq
from npuq.backend import Array
from npuq.coding.arithmetic import one_table
from npuq.coding.dither import dither_integers
from npuq.coding.tables import TOTAL, table_bits
from npuq.errors import (
    CorruptFileError,
    InvalidArrayError,
    InvalidFileError,
    TablesError,
    WrongTablesError,
)
from npuq.latents import layout
from npuq.latents.container import pack, unpack
from npuq.latents.lattice_points import LATTICES, WEIGHT, nearest, word_edges
from npuq.latents.lattice_tables import LatticeTables, with_hash
from npuq.latents.lattice_tables_file import lattice_tables_from_bytes, lattice_tables_to_bytes
from npuq.nn import logistic
from npuq.paper.density import rate_bits
from npuq.paper.lattice_quantization import voronoi_noise
from npuq.trained.phases import plain_phases

STEP = 0.5
NORMAL = {
    name: npuq.make_lattice_tables(scipy.stats.norm(scale=2.0), lattice=name, step=STEP)
    for name in LATTICES
}
names = pytest.mark.parametrize("name", LATTICES)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def unit(name: str) -> float:
    """The lattice of `npuq.paper.lattices`, times this, has the mean squared error STEP^2 / 12."""
    box = 1.0 if name == "Z" else float(OF_THE_PAPER[name].box[0])
    return float(NORMAL[name].sides[0]) / box


def lattice_of(name: str) -> Any:
    return OF_THE_PAPER["Z^3" if name == "Z" else name]


def errors(y: Array, tables: LatticeTables, **options: Any) -> Array:
    decoded, _ = npuq.decode_vectors(npuq.encode_vectors(y, tables, **options), tables)
    return decoded.astype(np.float64) - y


# --- round trips --------------------------------------------------------------------------------


@names
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (7,), (1, 5), (4, 3, 5), (2, 24)])
def test_any_shape_and_type_comes_back_within_the_cell(
    shape: tuple[int, ...], dtype: Any, name: str
) -> None:
    """No error is longer than the covering radius: of E8, 1 where the shortest vectors are sqrt(2).

    Scaled, it is within 1.1 steps for all four, and so is each coefficient.
    """
    y = rng().normal(0, 2, shape).astype(dtype)
    data = npuq.encode_vectors(y, NORMAL[name], seed=5)
    decoded, end = npuq.decode_vectors(b"?" + data + b"!", NORMAL[name], start=1)
    assert (decoded.shape, decoded.dtype, end) == (shape, dtype, len(data) + 1)
    slack = 8 * float(np.finfo(dtype).eps)
    assert np.all(abs(decoded.astype(float) - y) <= 1.1 * STEP + slack)


@names
def test_blocks_threads_and_plain_code_write_the_same_numbers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = np.concatenate([rng().normal(0, 2, 700), np.arange(-9, 9) / 4, [2.0**20, -(2.0**20)]])
    before = npuq.encode_vectors(y, NORMAL[name])
    for variable, value in (("NPUQ_KERNELS", "reference"), ("NPUQ_THREADS", "1")):
        monkeypatch.setenv(variable, value)
        assert npuq.encode_vectors(y, NORMAL[name]) == before
        assert abs(npuq.decode_vectors(before, NORMAL[name]).array - y).max() < 1.1 * STEP
    whole = npuq.decode_vectors(before, NORMAL[name]).array
    monkeypatch.setattr(layout, "BLOCK", 48)  # whole vectors of each lattice
    data = npuq.encode_vectors(y, NORMAL[name])
    assert len(unpack(data).blocks) == 15
    np.testing.assert_array_equal(npuq.decode_vectors(data, NORMAL[name]).array, whole)


@names
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channels_along_any_axis_have_their_own_tables(axis: int, name: str) -> None:
    scales = np.array([0.5, 30.0, 4.0])
    tables = npuq.make_lattice_tables([scipy.stats.laplace(scale=s) for s in scales], lattice=name)
    assert tables.channels == 3
    grid = scales[:, None, None] * rng().laplace(size=(3, 8, 120))
    y = np.moveaxis(grid, 0, axis)
    data = npuq.encode_vectors(y, tables, axis=axis, seed=9, tensor=2)
    decoded, _ = npuq.decode_vectors(data, tables)
    assert abs(decoded - y).max() < 1.1
    bits = 0
    for scale, row in zip(scales, grid, strict=True):
        one = npuq.make_lattice_tables(scipy.stats.laplace(scale=scale), lattice=name)
        bits += 8 * len(npuq.encode_vectors(row, one))
    assert 8 * len(data) == pytest.approx(bits, rel=0.08)  # headers, and another dither


@given(
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    name=st.sampled_from(sorted(LATTICES)),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 2**64 - 1),
    block=st.sampled_from([1, 3, 8, 1 << 20]),
)
def test_whatever_the_shape_type_seed_and_blocks(
    shape: tuple[int, ...], name: str, dtype: Any, seed: int, block: int
) -> None:
    y = np.random.default_rng(seed).standard_cauchy(shape).clip(-1e3, 1e3).astype(dtype)
    with mock.patch.object(layout, "BLOCK", block):
        data = npuq.encode_vectors(y, NORMAL[name], seed=seed, embed=True)
        decoded, end = npuq.decode_vectors(data)
    assert (decoded.shape, decoded.dtype, end) == (y.shape, y.dtype, len(data))
    slack = np.finfo(dtype).eps * (abs(y.astype(float)) + 1)
    assert np.all(abs(decoded.astype(float) - y) <= 1.1 * STEP + slack)


# --- laws ---------------------------------------------------------------------------------------


@names
def test_what_is_received_less_the_dither_is_the_nearest_lattice_point(name: str) -> None:
    """Against the shortest vectors of the paper's lattice: no neighbour of z is nearer to y."""
    n = LATTICES[name].dimensions
    y = rng().normal(0, 3, (200, n))
    tables = NORMAL[name]
    decoded, _ = npuq.decode_vectors(npuq.encode_vectors(y, tables, seed=3), tables)
    u = (2.0 * dither_integers((1, 200, n), seed=3)[0] - 255) / 512
    point = (decoded - u * np.resize(tables.sides, n)) / unit(name)
    error = (decoded - y) / unit(name)
    if name == "Z":
        np.testing.assert_allclose(point, np.rint(point), atol=1e-9)
        assert abs(error).max() <= 0.5
        return
    lattice = lattice_of(name)
    assert lattice.glue is not None
    k = (point[:, None] - lattice.glue) / lattice.box
    assert abs(k - np.rint(k)).sum(axis=2).min(axis=1).max() < 1e-9  # of one of the cosets
    v = shortest_vectors(name)
    assert ((v**2).sum(axis=1) / 2 - error @ v.T).min() > -1e-9


@names
@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_the_error_is_step_squared_over_12_and_white_for_any_lattice(
    name: str, scale: float
) -> None:
    """Seeded. 64,000 coefficients: five standard errors, of squares of a variance below 2."""
    n = LATTICES[name].dimensions
    y = rng().laplace(0, scale, (64_000 // n, n))
    e = errors(y, NORMAL[name], seed=1) / STEP
    assert 12 * (e**2).mean() == pytest.approx(1, abs=5 * math.sqrt(2 / e.size))
    assert abs(12 * np.cov(e.T) - np.eye(n)).max() < 5 * math.sqrt(2 / len(e))
    for other in (y, abs(y), np.roll(e, 1, axis=0)):
        assert abs(np.corrcoef(e.ravel(), other.ravel())[0, 1]) < 5 / math.sqrt(e.size)


@pytest.mark.parametrize("name", ["A2", "D4", "E8"])
def test_the_error_does_not_depend_on_y(name: str) -> None:
    """Its radius, for y at a point, at a hole, and between: one law, that of the paper's noise."""
    n = LATTICES[name].dimensions
    lattice = lattice_of(name)
    noise = voronoi_noise(np.random.default_rng(1), (4000,), lattice) * unit(name)
    for seed, at in enumerate((np.zeros(n), lattice.box / 2, rng().normal(0, 3, n))):
        y = np.broadcast_to(at * unit(name), (4000, n)).copy()
        e = errors(y, NORMAL[name], seed=seed)
        for pair in ((e[:, 0], noise[:, 0]), ((e**2).sum(axis=1), (noise**2).sum(axis=1))):
            assert scipy.stats.ks_2samp(*pair).pvalue > 1e-6


def test_z_is_universal_quantization() -> None:
    """The same tables to a unit of 2^-24, the same symbols, the same bytes but for those."""
    y = rng().normal(0, 2, (30, 70)).astype(np.float32)
    tables = npuq.make_tables(scipy.stats.norm(scale=2.0), step=STEP)
    for ours, theirs in zip(NORMAL["Z"].integers, tables.integers, strict=True):
        assert ours.shape == theirs.shape
        assert abs(ours.astype(np.int64) - theirs).max() <= 1
    plain = npuq.encode_array(y, tables, seed=4)
    data = npuq.encode_vectors(y, NORMAL["Z"], seed=4)
    np.testing.assert_array_equal(
        npuq.decode_vectors(data, NORMAL["Z"]).array, npuq.decode_array(plain, tables).array
    )
    assert abs(len(data) - len(plain)) <= 1


GAINS = {"A2": 0.0277, "D4": 0.0607, "E8": 0.1087}  # 1/2 log2(1/12 / G)


@pytest.mark.parametrize("name", GAINS)
def test_bytes_are_fewer_than_those_of_z_by_what_the_second_moment_says(name: str) -> None:
    """At equal error, sigma = 5 and 0.5 steps, 400,000 coefficients; half as much at 0.2 steps."""
    assert GAINS[name] == pytest.approx(
        0.5 * math.log2(1 / 12 / {"A2": 5 / (36 * math.sqrt(3)), "D4": 0.0766032,
                                   "E8": 929 / 12960}[name]), abs=1e-4)  # fmt: skip
    for sigma, part in ((5.0, 0.99), (0.5, 0.85), (0.2, 0.5)):
        y = rng().normal(0, sigma, (50_000, 8))
        law = scipy.stats.norm(scale=sigma)
        sizes = {
            one: 8 * len(npuq.encode_vectors(y, npuq.make_lattice_tables(law, lattice=one)))
            for one in ("Z", name)
        }
        gain = (sizes["Z"] - sizes[name]) / y.size
        # 0.0002: words and tables of 12 bits; 0.004: the chance of two dithers
        assert part * GAINS[name] - 0.0042 < gain < 1.15 * GAINS[name] + 0.004


def test_at_a_tenth_of_a_bit_lattices_cost_little_more_than_integers() -> None:
    """Of Z, 0.132. What others cost beyond it is how the ends of the error are modelled."""
    y = rng().normal(0, 0.05, (50_000, 8))
    law, bits = scipy.stats.norm(scale=0.05), {}
    for name in LATTICES:
        tables = npuq.make_lattice_tables(law, lattice=name)
        bits[name] = 8 * len(npuq.encode_vectors(y, tables)) / y.size
    assert bits["D4"] < 0.140 and bits["E8"] < 0.145 and bits["A2"] < 0.175
    assert bits["Z"] == pytest.approx(0.132, abs=0.003)


@names
def test_streams_are_as_long_as_the_tables_say(name: str) -> None:
    """Words by their edges and k by their tables, to 0.01 %, and a few bytes for each stream."""
    tables, lattice = NORMAL[name], LATTICES[name]
    n = lattice.dimensions
    y = rng().normal(0, 2, (10_000, n))
    data = npuq.encode_vectors(y, tables, seed=8)
    dither = dither_integers((1, len(y), n), seed=8)[0]
    words, _ = nearest(y / np.resize(tables.sides, n), dither, lattice)
    decoded, _ = npuq.decode_vectors(data, tables)
    table = np.arange(n) % lattice.sides.size
    shares = np.diff(word_edges(tables.weights[table, dither], lattice), axis=1)
    promised = (24 - np.log2(shares[np.arange(len(y)), words])).sum()
    z = decoded / np.resize(tables.sides, n)
    moved = dither ^ (128 * lattice.words[words]).astype(np.uint8)
    k = np.rint(z - (2.0 * moved - 255) / 512).astype(np.int64)
    for t in range(lattice.sides.size):
        one = one_table(tables.integers, t)
        part = table == t
        phase = plain_phases()[moved[:, part]].astype(np.int64)
        promised += table_bits(k[None, :, part], phase[None], one).sum()
    found = 8 * sum(map(len, unpack(data).blocks))
    assert abs(found - promised) < 1e-4 * promised + 8 * 8


def test_a_cdf_module_is_a_density_too() -> None:
    params = logistic.Params(np.array(0.3), np.array(1.2))
    tables = npuq.make_lattice_tables(logistic, params, lattice="E8")
    other = npuq.make_lattice_tables(scipy.stats.logistic(0.3, 1.2), lattice="E8")
    assert abs(tables.integers.values - other.integers.values).max() <= 1
    y = scipy.stats.logistic(0.3, 1.2).rvs(80_000, random_state=1).reshape(-1, 8)
    bits = 8 * len(npuq.encode_vectors(y, tables)) / y.size
    e = errors(y, tables)
    z_bits = rate_bits(y + rng().random(y.shape) - 0.5, params, cdf=logistic).mean()
    assert z_bits - 0.12 < bits < z_bits - 0.09
    assert 12 * (e**2).mean() == pytest.approx(1, abs=0.03)


# --- words --------------------------------------------------------------------------------------


@names
@given(seed=st.integers(0, 10_000), extreme=st.booleans())
def test_words_own_what_exact_arithmetic_says(name: str, seed: int, extreme: bool) -> None:
    """By fractions: to 2^-6 of a share at the worst, and to units of 2^-24."""
    lattice = LATTICES[name]
    chosen = np.random.default_rng(seed)
    shape = (3, lattice.dimensions)
    ends = [1, 2, WEIGHT // 2, WEIGHT - 2, WEIGHT - 1]
    weights = chosen.choice(ends, shape) if extreme else chosen.integers(1, WEIGHT, shape)
    edges = word_edges(weights.astype(np.uint16), lattice)
    assert np.all(edges[:, 0] == 0) and np.all(edges[:, -1] == TOTAL)
    shares = np.diff(edges, axis=1)
    assert shares.min() >= 1
    for row, of_row in zip(weights.tolist(), shares.tolist(), strict=True):
        exact = [
            math.prod(a if bit else WEIGHT - a for a, bit in zip(row, word, strict=True))
            for word in lattice.words.tolist()
        ]
        for product, share in zip(exact, of_row, strict=True):
            p = float(Fraction(product, sum(exact)))
            assert share / TOTAL == pytest.approx(p, rel=2**-6, abs=40 / TOTAL)


def test_codes_are_those_of_the_lattices() -> None:
    """Linear, and as many words as cosets, of which the volume follows."""
    for name, lattice in LATTICES.items():
        words = {tuple(word) for word in lattice.words.tolist()}
        assert len(words) == len(lattice.words)
        sums = lattice.words[:, None] ^ lattice.words
        assert {tuple(w) for w in sums.reshape(-1, lattice.dimensions).tolist()} == words
        volume = np.prod(np.resize(lattice.sides, lattice.dimensions)) / len(words)
        moment = 1 / 12 / volume ** (2 / lattice.dimensions)
        assert moment == pytest.approx(
            {"Z": 1 / 12, "A2": 0.0801875, "D4": 0.0766032, "E8": 0.0716821}[name], abs=1e-7
        )


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "options", "error", "says"),
    [
        (np.arange(3), {}, InvalidArrayError, "int64"),
        (np.array([1.0, np.nan]), {}, InvalidArrayError, "finite"),
        (np.array([np.inf]), {}, InvalidArrayError, "finite"),
        (np.array([-(2.0**32)]), {}, InvalidArrayError, "2\\*\\*31"),
        (np.array([1e308]), {}, InvalidArrayError, "2\\*\\*31"),
        (np.zeros(3), {"seed": -1}, ValueError, "seed"),
        (np.zeros(3), {"seed": "mine"}, ValueError, "content"),
        (np.zeros(3), {"tensor": 1 << 32}, ValueError, "tensor"),
    ],
)
def test_what_cannot_be_coded_is_refused(
    y: Array, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        npuq.encode_vectors(y, NORMAL["E8"], **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lattice": "Leech"}, "lattice must be one of Z, A2, D4, E8"),
        ({"step": 0.0}, "step"),
        ({"step": 1e-4}, "wider step"),
        ({"density": scipy.stats.norm(loc=1e6)}, "subtract the means"),
        ({"density": "normal"}, "cdf"),
        ({"density": []}, "channel"),
        ({"density": scipy.stats.norm(scale=np.nan)}, "0 to 1"),
    ],
)
def test_tables_that_cannot_be_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(TablesError, match=says):
        npuq.make_lattice_tables(**({"density": scipy.stats.norm()} | options))


def test_a_density_that_some_dithers_never_meet_is_coded_nevertheless() -> None:
    """Narrower than what is left between step and side."""
    tables = npuq.make_lattice_tables(scipy.stats.uniform(-1e-3, 2e-3), lattice="D4")
    y = np.concatenate([rng().uniform(-1e-3, 1e-3, 300), [5.0, -40.0]])
    assert abs(errors(y, tables)).max() < 1.1


def test_streams_and_tables_of_the_two_kinds_are_told_apart() -> None:
    y = np.zeros((2, 8))
    plain = npuq.make_tables(scipy.stats.norm(scale=2.0), step=STEP)
    data = npuq.encode_vectors(y, NORMAL["E8"], embed=True)
    with pytest.raises(TablesError, match="lattice tables"):
        npuq.decode_array(data)
    with pytest.raises(WrongTablesError, match=NORMAL["E8"].hash.hex()):
        npuq.decode_array(data, plain)
    other = npuq.encode_array(y, plain, embed=True)
    with pytest.raises(TablesError, match="no lattice tables, but those of encode_array"):
        npuq.decode_vectors(other)
    with pytest.raises(WrongTablesError, match=plain.hash.hex()):
        npuq.decode_vectors(other, NORMAL["E8"])
    with pytest.raises(WrongTablesError, match="not in it"):
        npuq.decode_vectors(npuq.encode_vectors(y, NORMAL["E8"]))


@names
def test_every_change_and_every_truncation_is_noticed(name: str) -> None:
    data = npuq.encode_vectors(np.arange(10.0), NORMAL[name])
    for i in range(len(data)):
        with pytest.raises(InvalidFileError):
            npuq.decode_vectors(data[:i] + bytes([data[i] ^ 0x81]) + data[i + 1 :], NORMAL[name])
        with pytest.raises(InvalidFileError):
            npuq.decode_vectors(data[:i], NORMAL[name])


def test_blocks_that_lie_are_noticed_though_the_checksums_match() -> None:
    tables = NORMAL["E8"]
    parts = unpack(npuq.encode_vectors(np.arange(40.0), tables))
    (block,) = parts.blocks
    for bad in (b"", block[:3], struct.pack("<I", len(block)) + block[4:], b"\xff" * 4 + block[4:]):
        with pytest.raises(CorruptFileError, match="shorter than it says"):
            npuq.decode_vectors(pack(parts.header, b"", [bad]), tables)
    escapes = struct.pack("<I", 0) + bytes(40)
    with contextlib.suppress(CorruptFileError):  # any other stream is of some array
        assert npuq.decode_vectors(pack(parts.header, b"", [escapes]), tables).array.shape == (40,)


def test_headers_that_do_not_fit_are_noticed() -> None:
    tables = NORMAL["D4"]
    parts = unpack(npuq.encode_vectors(np.zeros((2, 8)), tables))
    for change in ({"method": 0}, {"axis": 0}, {"has_scales": True}):
        with pytest.raises(WrongTablesError, match="header"):
            npuq.decode_vectors(pack(parts.header._replace(**change), b"", parts.blocks), tables)
    with pytest.raises(InvalidArrayError, match="largest"):
        npuq.decode_vectors(npuq.encode_vectors(np.zeros(16), tables), tables, largest=15)
    three = npuq.make_lattice_tables([scipy.stats.norm()] * 3, lattice="A2")
    with pytest.raises(InvalidArrayError, match="3 channels along axis 1"):
        npuq.encode_vectors(np.zeros((3, 4)), three, axis=1)


def test_what_is_nothing_of_the_kind_is_refused() -> None:
    tables, y = NORMAL["E8"], np.zeros(8)
    plain = npuq.make_tables(scipy.stats.norm(scale=2.0), step=STEP)
    data = npuq.encode_vectors(y, tables)
    for call, says in (
        (lambda: npuq.encode_vectors(y, plain), "make_lattice_tables or load_lattice_tables"),
        (lambda: npuq.decode_vectors(data, plain), "make_lattice_tables or load_lattice_tables"),
        (lambda: npuq.encode_vectors(np.ma.masked_array(y, y > 1), tables), "masked"),
        (lambda: npuq.encode_vectors(y, tables, seed=1.5), "seed"),
        (lambda: npuq.encode_vectors(y, tables, axis=None), "axis"),
        (lambda: npuq.decode_vectors(data, tables, start="0"), "start"),
        (lambda: npuq.decode_vectors(data, tables, largest=None), "largest"),
        (lambda: npuq.decode_vectors("NPUA", tables), "data"),
    ):
        with pytest.raises(TypeError, match=says):
            call()


# --- files of tables ----------------------------------------------------------------------------


@names
def test_tables_survive_their_file(name: str, tmp_path: Path) -> None:
    npuq.save_lattice_tables(tmp_path / "t.npz", NORMAL[name])
    again = npuq.load_lattice_tables(tmp_path / "t.npz")
    assert again.lattice is NORMAL[name].lattice
    assert (again.step, again.hash) == (NORMAL[name].step, NORMAL[name].hash)
    before = NORMAL[name]
    for ours, theirs in zip(
        (*again.integers, again.weights), (*before.integers, before.weights), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_the_hash_covers_what_decoding_depends_on() -> None:
    assert len({tables.hash for tables in NORMAL.values()}) == len(NORMAL)
    weights = NORMAL["E8"].weights.copy()
    weights[0, 3] += 1
    for changed in ({"weights": weights}, {"step": 0.25}, {"lattice": LATTICES["D4"]}):
        lied = lattice_tables_to_bytes(NORMAL["E8"]._replace(**changed))
        with pytest.raises(TablesError, match="hash"):
            lattice_tables_from_bytes(lied)


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    data = lattice_tables_to_bytes(NORMAL["A2"])
    for i in range(0, len(data), 29):
        changed = data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1 :]
        with contextlib.suppress(TablesError):  # fields that nobody reads change nothing
            assert lattice_tables_from_bytes(changed).hash == NORMAL["A2"].hash
    with pytest.raises(TablesError, match="no such file"):
        npuq.load_lattice_tables(tmp_path / "none.npz")
    weights = NORMAL["A2"].weights
    for bad in (0 * weights, weights.astype(np.int32), weights + np.uint16(WEIGHT), weights[:, :9]):
        lied = lattice_tables_to_bytes(with_hash(NORMAL["A2"]._replace(weights=bad)))
        with pytest.raises(TablesError, match="no lattice tables of npuq, or damaged"):
            lattice_tables_from_bytes(lied)
    odd = one_table(NORMAL["A2"].integers, 0)  # without that of the other side
    lied = lattice_tables_to_bytes(
        with_hash(NORMAL["A2"]._replace(integers=odd, weights=weights[:1]))
    )
    with pytest.raises(TablesError, match="no lattice tables of npuq, or damaged"):
        lattice_tables_from_bytes(lied)


def test_the_example_runs() -> None:
    offered = {name: getattr(npuq, name) for name in npuq._MODULE_OF} | {"np": np}
    (example,) = doctest.DocTestFinder().find(
        npuq.make_lattice_tables, "make_lattice_tables", globs=offered, module=False
    )
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, said
