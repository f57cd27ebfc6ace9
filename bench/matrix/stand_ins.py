"""Stand-ins for modules that libraries import at their start and need for nothing here."""

from __future__ import annotations

import importlib
import sys
import types
from unittest import mock


def stand_in(*names: str) -> None:
    """Have `import NAME` work, where such a module is absent or does not load."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # whatever the code of others raises
            module = types.ModuleType(name)
            module.__path__ = []
            module.__getattr__ = lambda attribute: _something(attribute)
            sys.modules[name] = module


def _something(attribute: str) -> object:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return mock.MagicMock()
