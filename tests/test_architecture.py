"""The house rules: who may import whom, what a backward looks like, what docstrings must say.

Everything is read from the source with `ast`; nothing of it is imported.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "npuq"

# A file imports only from rooms with a lower number, or from its own folder.
LEVELS = {
    "errors": 0,
    "backend": 0.5,  # it raises errors
    "arguments": 0.6,  # arrays among them
    "runtime": 1,
    "ranks": 1.5,  # they run threads
    "io": 1,
    "coding": 2,
    "nn": 2,
    "paper": 3,
    "kernels": 4,
    "models": 5,
    "trained": 6,
    "training": 7,
    "codec": 7,
    "exchange": 7,
    "evaluation": 8,
    "checks": 8,
    "latents": 8,
    "cli": 9,
    "__main__": 10,
}
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "compressai"}
FOREIGN = {
    "exchange/state_dict.py": {"torch"},  # to read and write their files
    "checks/frameworks.py": {"torch", "tensorflow", "jax"},  # to judge what is written in them
}
OPTIONAL = {"PIL", "matplotlib", "tqdm", "cupy", "cupyx", "mpi4py"}

FILES = sorted(PACKAGE.rglob("*.py"))
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported anywhere; `from a import b` gives "a.b"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def npuq_modules(tree: ast.AST) -> set[str]:
    """Modules of npuq that are imported, as "paper.density" or "codec"."""
    modules = set()
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] == "npuq":
            path = PACKAGE.joinpath(*parts[1:])
            is_module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
            modules.add(".".join(parts[1:] if is_module else parts[1:-1]))
    return modules - {""}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_on_import(node: ast.AST) -> Iterator[str]:
    """What is imported as soon as the module is: outside of functions and of TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield from imports(ast.Module([child], []))
        elif not isinstance(child, FUNCTION) and not is_type_checking(child):
            yield from imports_on_import(child)


def public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Top-level functions and methods of top-level classes whose names do not begin with _."""
    for node in tree.body:
        body = node.body if isinstance(node, ast.ClassDef) else [node]
        for inner in body:
            if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                yield inner


# --- imports ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_go_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the front door names everything and imports it when asked
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in LEVELS, f"give {room} a number in LEVELS"
    for module in npuq_modules(parse(path)):
        other = module.split(".")[0]
        if other != room:
            assert LEVELS[other] < LEVELS[room], f"{room} [{LEVELS[room]}] imports {module}"


def test_no_cycles_within_a_folder() -> None:
    graph = {}
    for path in FILES:
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        graph[name.removesuffix(".__init__")] = npuq_modules(parse(path))
    graph.pop("__init__")
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle: {' -> '.join((*trail, module))}"
        if module not in done:
            for other in graph[module] - {module}:
                visit(other, (*trail, module))
            done.add(module)

    # A folder's __init__ runs before its files; those of cli name each other inside of functions.
    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_deep_learning_framework_and_nothing_optional_at_import(path: Path) -> None:
    tree = parse(path)
    allowed = FOREIGN.get(relative(path), set())
    assert not {name.split(".")[0] for name in imports(tree)} & FRAMEWORKS - allowed
    at_import = {name.split(".")[0] for name in imports_on_import(tree)}
    assert not at_import & (OPTIONAL | FRAMEWORKS | {"numba"})


def test_import_npuq_is_light() -> None:
    code = "import sys, npuq; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not set(result.stdout.split()) & {"numba", "llvmlite", "scipy", *OPTIONAL, *FRAMEWORKS}


def test_help_is_light() -> None:
    code = "import runpy, sys; sys.argv = ['npuq', '--help']; runpy.run_module('npuq')"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(result.stdout.split())
    assert "argparse" in modules
    assert not modules & {"numpy", "logging", "concurrent.futures", *OPTIONAL, *FRAMEWORKS}


LONGEST = 250
LONGER = {
    "models/linear.py": "a model is read in one piece: parameters, forward, backward",
    "models/hyperprior.py": "likewise",
    "paper/soft_round.py": "each function as printed and in stable form, with an example",
    "training/dead_leaves.py": "one algorithm, from leaves to pixels",
}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert (lines > LONGEST) == (relative(path) in LONGER), lines


def test_the_door_is_clear() -> None:
    loose = {path.name for path in PACKAGE.glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "arguments.py", "backend.py", "errors.py"}


@pytest.mark.parametrize("room", sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py")))
def test_rooms_say_what_they_hold_and_what_they_decide(room: str) -> None:
    """What, what never, and whether it is bytes, bits of training, or speed only."""
    text = " ".join((ast.get_docstring(parse(PACKAGE / room / "__init__.py")) or "").split())
    assert re.search(r"\bNever (holds|changes)|\bKnows neither|\bHolds no\b", text)
    assert re.search(r"\bDecides (neither )?(bytes|bits of training|speed)", text)


# --- forward and backward -----------------------------------------------------------------------


def arguments(function: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """Names of positional and of keyword-only arguments."""
    spec = function.args
    names = [a.arg for a in [*spec.posonlyargs, *spec.args] if a.arg != "self"]
    return names, [a.arg for a in spec.kwonlyargs]


SURROGATES = ("_expected", "_straight_through")
"""What a gradient is called, after `_backward`, that is not the derivative of its forward."""

FUNCTIONS = [(path, function) for path in FILES for function in public_functions(parse(path))]
BACKWARDS = [(path, function) for path, function in FUNCTIONS if "_backward" in function.name]


@pytest.mark.parametrize(
    ("path", "function"), BACKWARDS, ids=[f"{relative(p)}:{f.name}" for p, f in BACKWARDS]
)
def test_backward_takes_the_gradient_and_then_the_forwards_arguments(
    path: Path, function: ast.FunctionDef
) -> None:
    """`d_y`, then all arguments of `f`, by name and in order; no function is exempt.

    Where the forward is a part of a model that keeps things for the way back, `f_forward`, it may
    have several results, and gradients of them; then comes what it kept, which may hold its first
    argument, or all of them. A surrogate says so in its name; that of a function of another file
    may know the argument before the noise, under another name. Some gradients can be left out, by
    `needs_d_...`.
    """
    forward_name, surrogate = function.name.split("_backward")
    assert surrogate in ("", *SURROGATES)
    here = {other.name: other for other in public_functions(parse(path))}
    elsewhere = {other.name: other for _, other in FUNCTIONS} if surrogate else {}
    keeps = f"{forward_name}_forward" in here
    forward = (elsewhere | here)[f"{forward_name}_forward" if keeps else forward_name]

    (d, *positional), keywords = arguments(function)
    expected, expected_keywords = arguments(forward)
    assert d.startswith("d_")
    if keeps:
        at = positional.index("kept")
        assert all(other.startswith("d_") for other in positional[:at])
        assert positional[at + 1 :] in (expected, expected[1:], [])
    elif forward.name in here:
        assert positional == expected
    else:
        assert len(positional) == len(expected)
    assert [name for name in keywords if not name.startswith("needs_d_")] == expected_keywords
    if surrogate:
        assert re.search(r"Eqs?\. \(|Secs?\. ", ast.get_docstring(function) or "")


# --- docstrings ---------------------------------------------------------------------------------

BORROWS_NOTHING = {
    "nn/flat.py",
    "nn/parameters.py",
    "nn/products.py",
    "nn/rows.py",
    "paper/digits.py",
}
CITATION = {
    "paper": r"Eqs?\. \(?\d|Eqs?\. ?\(|Sec\. \d|Secs\. \d|Appendix",
    "nn": r"\b(19|20)\d\d\b|ITU-T|JFIF|SciPy|Eqs?\. \(|Sec\. \d|transpose of",
}


@pytest.mark.parametrize("folder", CITATION)
def test_public_functions_cite_their_source(folder: str) -> None:
    missing = [
        f"{relative(path)}:{function.name}"
        for path in sorted((PACKAGE / folder).glob("*.py"))
        for function in public_functions(parse(path))
        if relative(path) not in BORROWS_NOTHING
        and not re.search(CITATION[folder], ast.get_docstring(function) or "")
    ]
    assert not missing


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = parse(path)
    assert ast.get_docstring(tree), "the file itself"
    if path.parent.name == "cli":
        return  # its functions are the commands, which --help describes
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    for node in [*classes, *public_functions(tree)]:
        text = ast.get_docstring(node)
        assert text, node.name
        assert not re.fullmatch(r"(See|As) `?[\w.]+`?\.|The same\.", text), node.name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_sections_of_docstrings_look_the_same(path: Path) -> None:
    """`Numerics:` and `Departure:`, as `Args:` is written: no emphasis, and with the colon."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\W*(Numerics|Departure)\b", line):
            assert re.match(r" +(Numerics|Departure): \S", line), line


# --- tables of laws -----------------------------------------------------------------------------


def rows_of(page: str) -> list[str]:
    """Rows of a page's tables that name a test: the paper's of equations, the tests' of laws."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if "`tests/" in row or re.search(r"`test_\w+", row)]


@pytest.mark.parametrize("page", ["npuq/paper/README.md", "tests/README.md"])
def test_what_tables_of_laws_name_is_there(page: str) -> None:
    """Each `file.function` of a row is a function of npuq, each test in it a test."""
    rows = rows_of(page)
    assert rows
    functions: set[str] = set()
    for path in FILES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        for function in public_functions(parse(path)):
            dotted = [*parts, function.name]
            functions |= {".".join(dotted[i:]) for i in range(len(dotted))}
    tests = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    for row in rows:
        for token in re.findall(r"`([^`]+)`", row):
            file, _, name = token.partition("::")
            if file.endswith(".py"):
                found = [p for p in tests if p.as_posix().endswith("/" + file)]
                assert found, f"{file} is in {page} and nowhere else"
                assert not name or any(f"def {name}(" in tests[p] for p in found), token
            elif token.startswith("test_"):
                assert any(f"def {token}" in text for text in tests.values()), token
            elif re.fullmatch(r"[\w.]+", token):
                assert token in functions, f"{token} is in {page} but not in npuq"
