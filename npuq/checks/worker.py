"""A program that answers for a target, in an interpreter that may be without npuq.

It speaks as any program does that is judged (`npuq.checks.command`), but for its first line, which
says what to import. It and the three files that it loads from beside it import nothing of npuq, and
run on Python 3.8 with any NumPy. What the target prints goes to the standard error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from typing import Any


def beside(name: str) -> Any:
    """The module in the file of that name in this folder."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"npuq_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"npuq_{name}"] = module
    spec.loader.exec_module(module)
    return module


def prepared(request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The functions that the first line asks for, and the answer to it."""
    if request["path"] is not None:
        sys.path[:] = request["path"]
    beside("wire")  # which needs NumPy, as all do
    importing, frameworks = beside("importing"), beside("frameworks")
    framework = frameworks.load(request["framework"])
    thing, imports, prefix = importing.load(request["target"])
    own = importing.functions_in(thing, request["known"])
    functions = frameworks.adapted(
        own, framework, request["differentiable"], request["with_expected_gradients"]
    )
    answer = {"names": list(functions), "own": list(own), "imports": imports, "prefix": prefix}
    return functions, answer


def main() -> None:
    """Answer line after line, until there is none."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.path[:1] == [os.path.dirname(os.path.abspath(__file__))]:
        del sys.path[0]  # names of files here are names of other people's modules
    functions: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "target" in request:
                functions, answer = prepared(request)
            else:
                wire, function = sys.modules["npuq_wire"], functions[request["call"]]
                answer = {"result": wire.encoded(function(*wire.decoded(request["arguments"])))}
            text = json.dumps(answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the code of others raises is an answer
            text = json.dumps({"error": f"{type(error).__name__}: {error}"})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # which the judge has heard as well
        main()
