"""Peers to compare with, where they are installed; a test that asks for another is skipped."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import pytest


def compressai(module: str) -> Any:
    """A module of CompressAI, such as "compressai.models".

    It imports four names of torchvision at its start, of which it needs none here; where
    torchvision is absent, or was built for another PyTorch, something of that name stands in.
    """
    pytest.importorskip("torch")
    try:
        importlib.import_module("torchvision")
    except Exception:
        torchvision, transforms = (
            types.ModuleType(name) for name in ("torchvision", "torchvision.transforms")
        )
        for name in ("ToTensor", "ToPILImage", "Compose", "Normalize"):
            setattr(transforms, name, object)
        torchvision.transforms = transforms  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": torchvision, "torchvision.transforms": transforms}
    return pytest.importorskip(module)
