"""Codecs under the laws: npuq's hyperprior, and one that goes from file to file."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_hyperprior, tiny_model

import npuq
from npuq.checks import our_codec
from npuq.codec import tiles

PAGE = (Path(npuq.__file__).parent / "checks/README.md").read_text("utf-8")


def statuses(target: Any, *only: str) -> Counter[str]:
    records = npuq.check(target, only=only or ["codec_"])
    return Counter(f"{r.check}: {r.probably or r.message}" if r.status == "fail" else r.status
                   for r in records)  # fmt: skip


def test_the_hyperprior_passes_as_the_linear_model_does() -> None:
    assert statuses(our_codec.HYPERPRIOR) == {"pass": 7}


LATENTS = 8 * 4 * 8 + 6 * 1 * 2
"""Latents and hyper-latents of the tiny model in 64 x 128 pixels: 8 and 6 channels."""


@pytest.mark.parametrize(
    ("make", "count"), [(tiny_model, 192 * 8 * 12), (tiny_hyperprior, LATENTS)]
)
def test_a_codec_of_any_model_is_judged(make: Any, count: int) -> None:
    """Of an untrained one, which has the file's length and symbols, if no good picture."""
    functions = our_codec.codec(lambda: make(16.0))
    only = ("codec_decompress.size", "codec_decompress.repeats", "codec_estimated", "codec_symbols")
    assert statuses(functions, *only) == {"pass": 6}
    images = np.stack([picture(64, 96)] * 2)
    for tile in (0, 16):
        assert functions["codec_symbols"](images, tile, 1).shape == (2, count)


def test_tiles_of_the_hyperprior_that_do_not_overlap_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiles, "OVERLAP", 0)
    (failure,) = statuses(our_codec.HYPERPRIOR, "codec_symbols.tiles")
    assert failure.startswith("codec_symbols.tiles")


def test_a_codec_from_file_to_file_is_two_functions(tmp_path: Path) -> None:
    """The page's, with a program that keeps the picture in PNG, and one that turns it."""
    pytest.importorskip("PIL")
    (block,) = re.findall(r"^```text\n(import subprocess.*?)^```$", PAGE, re.M | re.S)
    program = (
        "import sys; from PIL import Image, ImageOps\n"
        "with Image.open(sys.argv[1]) as image: turn(image).save(sys.argv[2], 'png')\n"
    )
    for turn, expected in (
        ("turn = lambda image: image", {"pass": 3, "absent": 4}),
        ("turn = ImageOps.flip", {"pass": 2, "codec_decompress.resembles: upside down": 1,
                                  "absent": 4}),
    ):  # fmt: skip
        (tmp_path / "program.py").write_text(program.replace("\n", f"\n{turn}\n", 1))
        mine: dict[str, Any] = {}
        exec(compile(block, "page", "exec"), mine)
        mine["ENCODER"] = mine["DECODER"] = [sys.executable, str(tmp_path / "program.py")]
        if "flip" in turn:
            (tmp_path / "plain.py").write_text(program.replace("turn(image)", "image"))
            mine["ENCODER"] = [sys.executable, str(tmp_path / "plain.py")]
        functions = {name: mine[name] for name in ("codec_compress", "codec_decompress")}
        assert statuses(functions) == expected
