"""Targets by name. Imports nothing of npuq: `worker.py` runs it in other interpreters."""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import os
import sys
import types
from pathlib import Path
from typing import Any


def load(text: str) -> tuple[Any, str, str]:
    """What "package.module", "package.module:name" or "file.py" is, and how code calls it.

    Returns:
        The module or what is in it; a line that imports it; its functions after that, made of {}.

    Raises:
        ImportError: it cannot be imported, whatever its code raises.
    """
    where, _, inside = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as for `python -m`: modules beside the user
    try:
        module = _file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        raise ImportError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    imports, prefix, name = spelling_of(module)
    thing: Any = module
    for part in filter(None, inside.split(".")):
        if not hasattr(thing, part):
            raise ImportError(f"{where} has no {inside}")
        thing = getattr(thing, part)
    if inside:
        prefix = f"{name}.{inside}[{{!r}}]" if isinstance(thing, dict) else f"{name}.{inside}.{{}}"
    return thing, imports, prefix


def functions_in(thing: Any, known: Any) -> dict[str, Any]:
    """The functions of an object, or of a dict, that have known names."""
    if isinstance(thing, dict):
        return {name: thing[name] for name in known if name in thing}
    return {name: getattr(thing, name) for name in known if hasattr(thing, name)}


def spelling_of(thing: Any) -> tuple[str, str, str]:
    """A line that imports a module, its functions after that, and itself; empty if none can.

    None can import what is no module, nor the script that runs, where the names stand alone.
    """
    if not isinstance(thing, types.ModuleType) or thing.__name__ == "__main__":
        return "", "{}", "target"
    name, file = thing.__name__, getattr(thing, "__npuq_file__", None)
    can_be_named = all(p.isidentifier() and not keyword.iskeyword(p) for p in name.split("."))
    by_name = f"import {name}"
    by_text = f"import importlib; target = importlib.import_module({name!r})"
    if file:  # one that has the name of a library would find that imported already
        can_be_named = can_be_named and "." not in name and name not in sys.modules
        folder = f"sys.path.insert(0, {str(file.parent)!r})"
        by_name = f"import sys; {folder}; {by_name}"
        load = f"target = types.SimpleNamespace(**runpy.run_path({str(file)!r}))"
        by_text = f"import runpy, sys, types; {folder}; {load}"
    return (by_name, f"{name}.{{}}", name) if can_be_named else (by_text, "target.{}", "target")


def _file(path: Path) -> types.ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # as `python FILE` would, for what it imports
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    module.__dict__["__npuq_file__"] = path
    return module
