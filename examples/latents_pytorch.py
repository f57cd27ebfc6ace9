"""Latents and scales of PyTorch to a file, and back in another process.

    pip install '.[crosscheck]' && python examples/latents_pytorch.py

`send` and `receive` are all that it takes. As in a hyperprior model (Eq. 23), the scale of each
latent follows from a smaller tensor that goes before it in the file. Both sides compute the scales,
and they do it in integers: a float network may end in other last bits on another machine, where
some latent would get another table, and all after it would decode to garbage.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from dither_pytorch import dither, torch  # which says in a line if PyTorch is not there

# isort: split
import scipy.stats

import npuq

STEP, SEED = 0.5, 7
ROOTS = torch.tensor([65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194])
"""2^(j/8) in 2^-16; written down, as powers of floats need not be the same everywhere."""


def send(y: torch.Tensor, h: torch.Tensor, folder: Path) -> None:
    """Write the latents y, and the h that their scales follow from, as integers."""
    tables = npuq.load_tables(folder / "latents.npz")
    data = npuq.encode_array(h.double(), npuq.load_tables(folder / "scales.npz"), method="un+q")
    data += npuq.encode_array(y, tables, scales=scales_of(h), seed=SEED, tensor=1)
    (folder / "latents.npua").write_bytes(data)


def receive(folder: Path) -> torch.Tensor:
    """The latents as they arrive."""
    data = (folder / "latents.npua").read_bytes()
    h, end = npuq.decode_array(data, npuq.load_tables(folder / "scales.npz"))
    tables, scales = npuq.load_tables(folder / "latents.npz"), scales_of(torch.from_numpy(h).long())
    return torch.from_numpy(npuq.decode_array(data, tables, scales=scales, start=end).array)


def scales_of(h: torch.Tensor) -> torch.Tensor:
    """2^(h/8) steps for each latent, in 2^-16 steps, h from -24 on: all in integers."""
    scales = ROOTS[h % 8] << (h // 8 + 3) >> 3
    return scales.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1)


def main() -> None:
    torch.manual_seed(0)
    sigma = torch.empty(48, 6, 9).uniform_(-2, 3).exp()
    y = torch.randn(48, 24, 36) * sigma.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1)
    h = (8 * torch.log2(sigma / STEP)).round().long()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # once, as a model is: whoever receives has these files as well
        npuq.save_tables(folder / "latents.npz", npuq.make_scale_tables(step=STEP))
        npuq.save_tables(folder / "scales.npz", npuq.make_tables(scipy.stats.norm(14, 17)))
        send(y, h, folder)
        subprocess.run([sys.executable, __file__, name], check=True)
        size = (folder / "latents.npua").stat().st_size
        theirs = torch.load(folder / "received.pt")

    # What ought to arrive, computed by PyTorch alone: Eq. 5, with the dither of each address. In an
    # array of one density for all channels, rows are those of all of them.
    u = (dither((1, 48 * 24, 36), SEED, tensor=1).double() - 127.5) / 256
    k = torch.floor(y.double() / STEP - (u.reshape(y.shape) + 0.5)) + 1
    ours = ((k + u.reshape(y.shape)) * STEP).float()
    different = int((ours != theirs).sum())
    print(f"{8 * size / y.numel():.3f} bits each; {different} of {y.numel()} symbols differ")


if __name__ == "__main__":
    if len(sys.argv) > 1:  # the other process
        torch.save(receive(Path(sys.argv[1])), Path(sys.argv[1]) / "received.pt")
    else:
        main()
