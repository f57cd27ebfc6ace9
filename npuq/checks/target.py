"""What is judged: some functions, and how a line of code can name them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from npuq.checks import importing
from npuq.checks.law import DTYPES, Dtypes
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
    """Their names after that, made of {}."""
    own: frozenset[str]
    """Those that it has itself, and no framework made."""
    again: str = ""
    """The command that judges it again; empty where Python does."""
    itself: str = "target"
    """What the whole of it is called in Python."""
    framework: str = ""
    """Whose arrays its functions take where they are: NumPy's cross over to them."""
    dtypes: Dtypes = DTYPES
    """In which it computes."""


def target_of(thing: Any) -> Target:
    """The functions of a module, an object or a dict that are on the list.

    Raises:
        CheckError: there are none, a dict has a name that is not on the list, something on the list
            is no function, or it is the name of a target.
    """
    import npuq

    if isinstance(thing, Target):
        return thing
    if isinstance(thing, (str, os.PathLike)):
        raise CheckError(f"a target is a module, an object or a dict, not {thing!r}: import it")
    if thing is npuq:  # its front door has other arguments
        from npuq.checks import ours

        line, prefix = "from npuq.checks import ours", "ours.FUNCTIONS[{!r}]"
        names = frozenset(ours.FUNCTIONS)
        return Target("npuq", ours.FUNCTIONS, line, prefix, names, itself="npuq")
    if isinstance(thing, Mapping):
        functions, name = dict(thing), "the target"
    else:
        name = getattr(thing, "__name__", type(thing).__name__)
        try:
            functions = importing.functions_in(thing, KNOWN)
        except Exception as error:  # whatever a property of others raises
            what = f"{type(error).__name__}: {error}"
            raise CheckError(f"{name} does not give its functions: {what}") from error
    checked(functions, name)
    imports, prefix, itself = importing.spelling_of(thing)
    return Target(name, functions, imports, prefix, frozenset(functions), itself=itself)


def checked(functions: Mapping[str, Any], name: str) -> Mapping[str, Callable[..., Any]]:
    """The functions, found to be some of the list.

    Raises:
        CheckError: there are none, one is not on the list, or one is no function.
    """
    unknown = ", ".join(sorted(map(repr, functions.keys() - set(KNOWN))))
    if unknown:
        raise CheckError(f"{name} has names that are not on the list: {unknown}")
    if not functions:
        raise CheckError(f"{name} has no function of the list; see npuq/checks/README.md")
    for known, function in functions.items():
        if not callable(function):
            raise CheckError(f"{known} of {name} is no function but {function!r}")
    return functions
