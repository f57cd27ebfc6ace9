"""A 768x512 picture to a file and back, in one process that has done it before.

npuq's linear model beside Pillow's JPEG and WebP and two models of CompressAI, and these models
imported into npuq. Files: a PNG file is read and a compressed one written, that is read and a PPM
file written. The others: from pixels to bytes in memory, and back. CompressAI's models have random
weights, which is enough for time; they start from tensors.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import median_seconds, peer

from npuq.codec.files import compress, decompress, dequantize, quantize
from npuq.exchange.compressai import import_state
from npuq.io.atomic import write_bytes_atomically
from npuq.io.image_writing import write_image
from npuq.io.images import read_image
from npuq.trained.shipped import shipped_model
from npuq.training.dead_leaves import dead_leaves

TITLE = "A 768x512 picture to a file and back, milliseconds"
METHODS = ("un+q", "un+uq", "un+uq+sr")
PILLOW = {"JPEG": {"quality": 75}, "WEBP": {"quality": 75, "method": 4}}

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def rows() -> list[dict[str, Any]]:
    image = dead_leaves(512, 768, seed=1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        png = folder / "image.png"
        write_image(png, image)
        codecs: dict[str, Pair] = {}
        for method in METHODS:
            codecs[f"npuq, {method}, files"] = npuq_files(image, png, method)
        for name, options in PILLOW.items():
            codecs[f"{name}, files"] = pillow_files(png, name, options)
        for method in METHODS:
            codecs[f"npuq, {method}"] = npuq(image, method)
        for name, options in PILLOW.items():
            codecs[name] = pillow(image, name, options)
        if peer("compressai"):
            for name in ("bmshj2018_factorized", "mbt2018_mean"):
                net = network(name)
                codecs[f"CompressAI {name}"] = compressai(image, net)
                codecs[f"npuq, imported {name}"] = imported(image, net)
        functions = {}
        for name, (encode, decode) in codecs.items():
            encode()  # `decode` needs its result
            functions |= {f"{name} >": encode, f"{name} <": decode}
        seconds = median_seconds(functions)
    found = [
        {
            "codec": name,
            "compress": 1e3 * seconds[f"{name} >"],
            "decompress": 1e3 * seconds[f"{name} <"],
        }
        for name in codecs
    ]
    by_name = {row["codec"]: row for row in found}
    for row in found:
        files = row["codec"].endswith("files")
        yardsticks = {"WebP": f"WEBP{', files' if files else ''}"}
        if not files:
            yardsticks["factorized"] = "CompressAI bmshj2018_factorized"
            yardsticks["mean & scale"] = "CompressAI mbt2018_mean"
        for short, name in yardsticks.items():
            if name in by_name:
                for way in ("compress", "decompress"):
                    row[f"{way} / {short}"] = row[way] / by_name[name][way]
    return found


def npuq(image: np.ndarray, method: str) -> Pair:
    model = shipped_model(method, 4)
    data = compress(image, method=method, model=model)
    expected = dequantize(quantize(image, model, method, 0), model, method)
    assert np.array_equal(decompress(data, model=model), expected), "not what was sent"
    return lambda: compress(image, method=method, model=model), lambda: decompress(data)


def npuq_files(image: np.ndarray, png: Path, method: str) -> Pair:
    path, out = png.with_name(f"{method}.npuq"), png.with_name("out.ppm")

    def encode() -> None:
        write_bytes_atomically(path, compress(read_image(png), method=method, quality=4))

    return encode, lambda: write_image(out, decompress(path.read_bytes()))


def pillow(image: np.ndarray, name: str, options: dict[str, Any]) -> Pair:
    module = peer("PIL.Image")
    picture = module.fromarray(image)

    def encode() -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        return buffer.getvalue()

    data = encode()
    assert module.open(io.BytesIO(data)).size == picture.size
    return encode, lambda: np.asarray(module.open(io.BytesIO(data)).convert("RGB"))


def pillow_files(png: Path, name: str, options: dict[str, Any]) -> Pair:
    module = peer("PIL.Image")
    path, out = png.with_name(f"image.{name.lower()}"), png.with_name("out.ppm")
    return (
        lambda: module.open(png).convert("RGB").save(path, name, **options),
        lambda: module.open(path).convert("RGB").save(out),
    )


def network(name: str) -> Any:
    """A model of CompressAI, 128 and 192 channels wide, with random weights."""
    zoo = __import__("compressai.zoo", fromlist=["image_models"])
    net = zoo.image_models[name.replace("_", "-")](quality=3, pretrained=False).eval()
    net.update(force=True)
    return net


def imported(image: np.ndarray, net: Any) -> Pair:
    """The same function as a model of ours, by rounding."""
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    model = import_state(state, name="imported")
    data = compress(image, method="un+q", model=model)
    t = peer("torch")
    with t.no_grad():
        theirs = net.decompress(**net.compress(tensor(image)))["x_hat"][0].permute(1, 2, 0).numpy()
    difference = np.abs(decompress(data, model=model) - 255 * theirs.clip(0, 1))
    assert np.mean(difference) < 0.5, "the imported model computes something else"
    return (
        lambda: compress(image, method="un+q", model=model),
        lambda: decompress(data, model=model),
    )


def tensor(image: np.ndarray) -> Any:
    t = peer("torch")
    return t.tensor(image.transpose(2, 0, 1)[None] / 255, dtype=t.float32)


def compressai(image: np.ndarray, net: Any) -> Pair:
    t = peer("torch")
    x = tensor(image)
    with t.no_grad():
        code = net.compress(x)
        assert net.decompress(**code)["x_hat"].shape == x.shape

    def without_gradients(function: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            with t.no_grad():
                return function()

        return run

    return (
        without_gradients(lambda: net.compress(x)),
        without_gradients(lambda: net.decompress(**code)),
    )
