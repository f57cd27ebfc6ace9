"""Every small slip that a file invites: one operator, number, sign, condition, order or statement.

`slips_of` lists them, and `apply` makes one. They come from the syntax tree, and change only the
characters concerned, so that a slip can be read as a line before and after. Left out is what no
number depends on: annotations, decorators, docstrings and other text, what is raised, imports.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "+"), ast.Pow: ("**", "*"), ast.MatMult: ("@", "*"),
    ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.BitXor: ("^", "|"),
}  # fmt: skip
COMPARISON = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="),
}  # fmt: skip
LOGIC = {ast.And: ("and", "or"), ast.Or: ("or", "and")}


class Slip(NamedTuple):
    """One change of one file.

    Attributes:
        kind: arithmetic, comparison, logic, sign, number, condition, order or statement.
        start, end: bytes of the file that are replaced.
        new: what stands there instead.
        line: where, from 1.
        function: first line of the innermost function around it, with its decorators; 0 outside.
    """

    kind: str
    start: int
    end: int
    new: str
    line: int
    function: int


def slips_of(text: str) -> list[Slip]:
    """All slips of a file of Python, in the order of its tree."""
    source = text.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def begin(node: ast.expr | ast.stmt) -> int:
        return starts[node.lineno - 1] + node.col_offset

    def finish(node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return starts[node.end_lineno - 1] + node.end_col_offset

    def swap(kind: str, left: ast.expr, right: ast.expr, words: tuple[str, str], f: int) -> Slip:
        # between two operands stand the operator, brackets and perhaps a comment
        old, new = words
        between = source[finish(left) : begin(right)]
        found = re.search(rf"(?<![*/<>=!]){re.escape(old)}(?![*/<>=])", between.decode())
        assert found, (old, between)
        at = finish(left) + len(between.decode()[: found.start()].encode())
        return Slip(kind, at, at + len(old), new, left.end_lineno or 0, f)

    def here(node: ast.AST, f: int) -> Iterator[Slip]:
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            yield swap("arithmetic", node.left, node.right, ARITHMETIC[type(node.op)], f)
        elif isinstance(node, ast.Compare):
            left = node.left
            for operator, right in zip(node.ops, node.comparators, strict=True):
                if type(operator) in COMPARISON:
                    yield swap("comparison", left, right, COMPARISON[type(operator)], f)
                left = right
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield swap("logic", left, right, LOGIC[type(node.op)], f)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            kind, word = ("sign", "-") if isinstance(node.op, ast.USub) else ("logic", "not")
            yield Slip(kind, begin(node), begin(node) + len(word), "", node.lineno, f)
        elif isinstance(node, ast.Constant) and (changed := _changed(node.value)):
            yield Slip("number", begin(node), finish(node), changed, node.lineno, f)
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            a, b = node.args[:2]
            if isinstance(a, ast.Name) and isinstance(b, ast.Name) and a.id != b.id:
                new = f"{b.id}{source[finish(a) : begin(b)].decode()}{a.id}"
                yield Slip("order", begin(a), finish(b), new, node.lineno, f)
        elif isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            yield Slip("statement", begin(node), finish(node), "pass", node.lineno, f)
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            test = node.test
            new = f"(not ({source[begin(test) : finish(test)].decode()}))"
            yield Slip("condition", begin(test), finish(test), new, test.lineno, f)

    def walk(node: ast.AST, f: int) -> Iterator[Slip]:
        if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            f = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        yield from here(node, f)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, f)

    return list(walk(ast.parse(text), 0))


def _changed(value: object) -> str | None:
    """Another number, or nothing where it is none."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float):
        return repr(value * 1.5 if value else 1.0)
    return None


def apply(slip: Slip, text: str) -> str:
    """The file's text with the slip."""
    source = text.encode()
    return (source[: slip.start] + slip.new.encode() + source[slip.end :]).decode()


def shown(slip: Slip, text: str) -> str:
    """The line concerned, before and after."""
    before, after = (t.splitlines()[slip.line - 1].strip() for t in (text, apply(slip, text)))
    return f"{before}  ->  {after}"
