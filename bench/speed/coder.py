"""The entropy coder beside constriction, CompressAI's rANS and torchac, on the same symbols.

1.2 million symbols, 192 tables of discretised normal distributions, channel after channel, each
coder in one thread and one stream; and npuq also as files have it, in streams for all cores. Peers
get the same probabilities, as finely as they can: 24 bits in constriction, 16 in the two others.
Peers know no dither.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from common import median_seconds, peer
from scipy.special import ndtr

from npuq.coding.arithmetic import decode_runs, encode_runs
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import IntegerTables, table_bits
from npuq.coding.tabulate import build_tables
from npuq.paper.channel import round_half_up, universal_quantize
from npuq.runtime.threads import map_in_threads, thread_count
from npuq.trained.phases import hard_phases, plain_phases

TITLE = "Entropy coder, million symbols a second"
CHANNELS, EACH = 192, 6250
PLAIN = 250  # symbols of each channel for plain Python
SCALES = np.geomspace(0.1, 8.0, CHANNELS)  # 2.0 bits a symbol on average

Coder = tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], int]]
"""encode() -> code, decode(code) -> symbols, and the length of the code in bytes."""


def rows() -> list[dict[str, Any]]:
    y = SCALES[:, None] * np.random.default_rng(0).standard_normal((CHANNELS, EACH))
    dither = dither_integers((CHANNELS, 1, EACH), seed=0)[:, 0]
    k = round_half_up(y).astype(np.int32)
    k_dithered = universal_quantize(y, dither_values(dither, np.float64)).astype(np.int32)
    phases = {"rounded": hard_phases(), "dithered": plain_phases()}
    tables = build_tables(
        lambda x: ndtr(x / SCALES[:, None]), list(phases.values()), channels=CHANNELS
    )
    few = slice(0, PLAIN)
    coders: dict[str, tuple[Coder, np.ndarray]] = {
        "npuq": (npuq(k, dither, phases["rounded"], tables), k),
        "npuq, dithered": (npuq(k_dithered, dither, phases["dithered"], tables), k_dithered),
    }
    cores = thread_count()
    if cores > 1:
        for name, symbols, phase in (
            ("npuq", k, phases["rounded"]),
            ("npuq, dithered", k_dithered, phases["dithered"]),
        ):
            streams = npuq_streams(symbols, dither, phase, tables, cores)
            coders[f"{name}, {cores} streams"] = streams, symbols
    information = {
        "npuq": _bits(k, dither, phases["rounded"], tables),
        "npuq, dithered": _bits(k_dithered, dither, phases["dithered"], tables),
    }
    low, pmf = _probabilities(k)
    if peer("constriction"):
        coders["constriction, range"] = constriction(k, low, pmf, "queue"), k
        coders["constriction, ANS"] = constriction(k, low, pmf, "stack"), k
    if peer("compressai"):
        coders["CompressAI, rANS"] = compressai(k, low, pmf), k
    if peer("torchac"):
        coders["torchac"] = torchac(k, low, pmf), k
    found = _measure(coders, information)
    os.environ["NPUQ_KERNELS"] = "reference"
    plain = {
        "npuq, plain Python": (
            npuq(k[:, few], dither[:, few], phases["rounded"], tables), k[:, few],
        ),
        "npuq, dithered, plain Python": (
            npuq(k_dithered[:, few], dither[:, few], phases["dithered"], tables),
            k_dithered[:, few],
        ),
    }  # fmt: skip
    found += _measure(plain, {}, rounds=3)
    del os.environ["NPUQ_KERNELS"]
    rate = {row["coder"]: row for row in found}
    yardstick = rate.get("constriction, range")
    for row in found if yardstick else []:
        for direction in ("encode", "decode"):
            row[f"{direction} / constriction"] = row[direction] / yardstick[direction]
    return found


def _measure(
    coders: dict[str, tuple[Coder, np.ndarray]],
    information: dict[str, float],
    rounds: int = 7,
) -> list[dict[str, Any]]:
    functions: dict[str, Callable[[], Any]] = {}
    found = []
    for name, ((encode, decode, length), k) in coders.items():
        code = encode()
        decoded = np.concatenate([np.ravel(part) for part in decode(code)])
        assert np.array_equal(decoded, k.ravel()), f"{name} does not decode what it encoded"
        functions[f"{name} encode"] = encode
        functions[f"{name} decode"] = lambda decode=decode, code=code: decode(code)
        row: dict[str, Any] = {"coder": name, "bits a symbol": 8 * length(code) / k.size}
        if name in information:
            row["excess %"] = 100 * (8 * length(code) / information[name] - 1)
        found.append(row)
    seconds = median_seconds(functions, rounds=rounds)
    for row, (_, k) in zip(found, coders.values(), strict=True):
        for direction in ("encode", "decode"):
            row[direction] = k.size / 1e6 / seconds[f"{row['coder']} {direction}"]
    return found


def _bits(k: np.ndarray, dither: np.ndarray, phases: np.ndarray, tables: IntegerTables) -> float:
    return float(table_bits(k, phases.astype(np.int64)[dither], tables).sum())


def npuq(k: np.ndarray, dither: np.ndarray, phases: np.ndarray, tables: IntegerTables) -> Coder:
    k, dither = np.ascontiguousarray(k).ravel(), np.ascontiguousarray(dither).ravel()
    counts = np.full(CHANNELS, k.size // CHANNELS)
    return (
        lambda: encode_runs(k, dither, counts, phases, tables),
        lambda code: [decode_runs(code, dither, counts, phases, tables)],
        len,
    )


def npuq_streams(
    k: np.ndarray, dither: np.ndarray, phases: np.ndarray, tables: IntegerTables, streams: int
) -> Coder:
    """The symbols cut into equal parts of each channel, one for each core."""
    edges = [EACH * i // streams for i in range(streams + 1)]
    parts = [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    coders = [npuq(k[:, part], dither[:, part], phases, tables) for part in parts]

    def decode(codes: list[bytes]) -> list[np.ndarray]:
        jobs = list(zip(coders, codes, strict=True))
        found = map_in_threads(lambda job: job[0][1](job[1])[0].reshape(CHANNELS, -1), jobs)
        return [np.concatenate(found, axis=1)]

    return (
        lambda: map_in_threads(lambda coder: coder[0](), coders),
        decode,
        lambda codes: sum(map(len, codes)),
    )


def _probabilities(k: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """For each channel the lowest symbol and the probabilities of all that occur, and between."""
    low, pmf = [], []
    for row, scale in zip(k, SCALES, strict=True):
        first, last = (
            min(row.min(), -1),
            max(row.max(), 1),
        )  # constriction wants two symbols or more
        edges = np.arange(first, last + 2) - 0.5
        p = np.diff(ndtr(edges / scale))
        low.append(int(first))
        pmf.append(np.maximum(p, 1e-7) / np.maximum(p, 1e-7).sum())
    return low, pmf


def constriction(k: np.ndarray, low: list[int], pmf: list[np.ndarray], kind: str) -> Coder:
    stream = peer("constriction").stream
    models = [stream.model.Categorical(p, perfect=False) for p in pmf]
    parts = [row - lowest for row, lowest in zip(k, low, strict=True)]

    def encode() -> Any:
        if kind == "queue":
            coder = stream.queue.RangeEncoder()
            for part, model in zip(parts, models, strict=True):
                coder.encode(part, model)
        else:
            coder = stream.stack.AnsCoder()
            for part, model in zip(parts[::-1], models[::-1], strict=True):
                coder.encode_reverse(part, model)
        return coder.get_compressed()

    def decode(code: Any) -> list[np.ndarray]:
        coder = stream.queue.RangeDecoder(code) if kind == "queue" else stream.stack.AnsCoder(code)
        return [
            coder.decode(model, EACH) + lowest for model, lowest in zip(models, low, strict=True)
        ]

    return encode, decode, lambda code: code.nbytes


def _cumulative_16_bits(p: np.ndarray) -> list[int]:
    shares = 1 + np.floor(p * ((1 << 16) - p.size)).astype(int)
    shares[np.argmax(shares)] += (1 << 16) - shares.sum()
    return [0, *np.cumsum(shares).tolist()]


def compressai(k: np.ndarray, low: list[int], pmf: list[np.ndarray]) -> Coder:
    ans = peer("compressai").ans
    tail = [[*_cumulative_16_bits(np.append(p, 1e-9))] for p in pmf]  # the last entry is an escape
    size = max(map(len, tail))
    cdfs = [cdf + [0] * (size - len(cdf)) for cdf in tail]
    indexes = np.repeat(np.arange(CHANNELS), EACH).tolist()
    symbols, sizes = k.ravel().tolist(), list(map(len, tail))
    encoder, decoder = ans.RansEncoder(), ans.RansDecoder()
    return (
        lambda: encoder.encode_with_indexes(symbols, indexes, cdfs, sizes, low),
        lambda code: [decoder.decode_with_indexes(code, indexes, cdfs, sizes, low)],
        len,
    )


def torchac(k: np.ndarray, low: list[int], pmf: list[np.ndarray]) -> Coder:
    coder, torch = peer("torchac"), peer("torch")
    size = max(p.size for p in pmf)
    cdfs = [_cumulative_16_bits(np.pad(p, (0, size - p.size))) for p in pmf]
    cdfs = np.array(cdfs).astype(np.uint16)  # the last, 2^16, is written as 0
    each = torch.from_numpy(np.repeat(cdfs.view(np.int16), EACH, axis=0))
    symbols = torch.from_numpy((k - np.array(low)[:, None]).ravel().astype(np.int16))
    lowest = np.repeat(low, EACH)
    return (
        lambda: coder.encode_int16_normalized_cdf(each, symbols),
        lambda code: [coder.decode_int16_normalized_cdf(each, code).numpy() + lowest],
        len,
    )
