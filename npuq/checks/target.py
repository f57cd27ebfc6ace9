"""What is judged: some functions, and how a line of code can name them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from npuq.checks.names import ALL_NAMES, EXPECTED
from npuq.errors import CheckError

KNOWN = (*ALL_NAMES, *(f"{name}_expected" for name in EXPECTED))


class Target(NamedTuple):
    """Functions by the names of the list."""

    name: str
    functions: Mapping[str, Callable[..., Any]]
    imports: str
    """The line that a counterexample imports them by; empty for functions that have no name."""
    prefix: str
    """What stands before their names after that."""
    itself: str
    """What the whole of it is called there."""


def target_of(thing: Any) -> Target:
    """The functions of a module, an object or a dict that are on the list.

    Raises:
        CheckError: there are none, a dict has a name that is not on the list, or something on the
            list is no function.
    """
    import npuq

    if thing is npuq:  # its front door has other arguments
        from npuq.checks import ours

        line = "from npuq.checks import ours"
        return Target("npuq", ours.FUNCTIONS, line, "ours.FUNCTIONS[{!r}]", "npuq")
    if isinstance(thing, Mapping):
        unknown = ", ".join(sorted(map(repr, thing.keys() - set(KNOWN))))
        if unknown:
            raise CheckError(f"the target has names that are not on the list: {unknown}")
        functions, name = dict(thing), "the target"
    else:
        functions = {known: getattr(thing, known) for known in KNOWN if hasattr(thing, known)}
        name = getattr(thing, "__name__", type(thing).__name__)
    if not functions:
        raise CheckError(f"{name} has no function of the list; see npuq/checks/README.md")
    for known, function in functions.items():
        if not callable(function):
            raise CheckError(f"{known} of {name} is no function but {function!r}")
    if isinstance(thing, types.ModuleType):
        file = getattr(thing, "__npuq_file__", None)
        before = f"import sys; sys.path.insert(0, {str(file.parent)!r}); " if file else ""
        return Target(name, functions, f"{before}import {name}", f"{name}.{{}}", name)
    return Target(name, functions, "", "{}", "target")


def load(text: str) -> Any:
    """The module, or what is in it, of "package.module", "package.module:name" or "file.py".

    Raises:
        CheckError: it cannot be imported.
    """
    where, _, inside = text.partition(":")
    try:
        thing: Any = _file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:  # whatever the code of others raises
        raise CheckError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    for part in filter(None, inside.split(".")):
        if not hasattr(thing, part):
            raise CheckError(f"{where} has no {inside}")
        thing = getattr(thing, part)
    return thing


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
