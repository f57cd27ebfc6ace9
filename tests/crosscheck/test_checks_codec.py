"""`npuq check` of somebody's whole codec: CompressAI's models, from an image to bytes and back.

Their weights are random, so that pictures do not resemble; all other laws of codecs hold.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import pytest

import npuq

torch = pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "bench" / "matrix"))
from stand_ins import stand_in  # noqa: E402

stand_in("torchvision", "torchvision.transforms")
zoo = pytest.importorskip("compressai.zoo")

GRID = 64


class Codec:
    """A model of the zoo; a file is the image's size, the lengths of its strings, and these."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.model = getattr(zoo, name)(quality=1, pretrained=False).eval()
        with torch.no_grad():  # latents of some steps, and scales that are theirs
            self.model.g_a[-1].weight *= 40
            if hasattr(self.model, "h_s"):
                last = [layer for layer in self.model.h_s if hasattr(layer, "bias")][-1]
                last.bias[: self.model.M] += 1.7
        self.model.update(force=True)

    def _padded(self, image: Any) -> Any:
        x = image.permute(2, 0, 1)[None].float() / 255
        down, across = (-side % GRID for side in x.shape[2:])
        return torch.nn.functional.pad(x, (0, across, 0, down), "replicate")

    def codec_compress(self, image: Any) -> bytes:
        with torch.no_grad():
            strings = [part for (part,) in self.model.compress(self._padded(image))["strings"]]
        head = struct.pack(f"<{2 + len(strings)}I", *image.shape[:2], *map(len, strings))
        return head + b"".join(strings)

    def codec_decompress(self, data: Any) -> Any:
        rest = data.numpy().tobytes()
        count = 2 if hasattr(self.model, "h_s") else 1
        height, width, *lengths = struct.unpack_from(f"<{2 + count}I", rest)
        rest, strings = rest[8 + 4 * count :], []
        for length in lengths:
            strings.append([rest[:length]])
            rest = rest[length:]
        step = GRID if count == 2 else 16  # pixels of a hyper-latent, or of a latent
        shape = [-(-side // GRID) * (GRID // step) for side in (height, width)]
        with torch.no_grad():
            x = self.model.decompress(strings, shape)["x_hat"][0, :, :height, :width]
        return (255 * x).round().clamp(0, 255).byte().permute(1, 2, 0)

    def codec_estimated_bits(self, image: Any) -> Any:
        with torch.no_grad():
            likelihoods = self.model(self._padded(image))["likelihoods"].values()
        return sum(-torch.log2(p).sum() for p in likelihoods)

    def codec_symbols(self, images: Any, tile: int, threads: int) -> Any:
        """It knows no tiles."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                y = self.model.g_a(torch.cat([self._padded(image) for image in images]))
            return y.round().int()
        finally:
            torch.set_num_threads(before)


def failed(codec: Codec) -> dict[str, str]:
    records = npuq.check(codec, framework="torch", only=["codec_"])
    assert not [record for record in records if record.status == "absent"]
    return {record.check: record.probably for record in records if record.status == "fail"}


@pytest.mark.parametrize("name", ["bmshj2018_factorized", "mbt2018_mean"])
def test_a_foreign_codec_is_judged(name: str) -> None:
    assert failed(Codec(name)) == {"codec_decompress.resembles": ""}


def test_faults_of_a_foreign_codec_are_named() -> None:
    class Wrong(Codec):
        """It forgets to cut, and estimates in nats."""

        def codec_decompress(self, data: Any) -> Any:
            height, width = (
                -(-side // GRID) * GRID for side in struct.unpack_from("<2I", data.numpy())
            )
            head = torch.tensor(list(struct.pack("<2I", height, width)), dtype=torch.uint8)
            return super().codec_decompress(torch.cat([head, data[8:]]))

        def codec_estimated_bits(self, image: Any) -> Any:
            return 0.6931 * super().codec_estimated_bits(image)

    found = failed(Wrong("bmshj2018_factorized"))
    assert found["codec_decompress.size"] == "a picture that is not cut to its size"
    assert found["codec_estimated_bits.file"] == "an estimate in nats"
