"""Records for people, for pages and for machines of continuous integration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from textwrap import indent
from xml.etree import ElementTree

from npuq.checks.records import Record


def text(records: Sequence[Record]) -> str:
    """A line for each check that was made, some more for one that failed, and the sum."""
    width = max((len(r.check) for r in records), default=0)
    lines = []
    for record in records:
        if record.status == "absent":
            continue
        allowed = f"{record.error:8.2g} of {record.tolerance:.2g}"
        lines.append(f"{record.status:8}  {record.check:{width}}  {allowed}")
        if record.status == "fail":
            # messages of others may be of many lines
            lines.append(indent("\n".join(explanation(record)), "    "))
        elif record.status == "expected":
            lines.append(f"    {record.message}")
    return "\n".join([*lines, summary(records)])


def explanation(record: Record) -> list[str]:
    """What failed, how to see it, what it probably is and what it costs: a line each."""
    facts = (
        ("should hold", f"{record.statement} ({record.equation})"),
        ("but", f"{record.message}; error {record.error:.3g}, allowed {record.tolerance:.3g}"),
        ("allowed is", record.reason),
        ("see", record.counterexample),
        ("probably", record.probably),
        ("costs", record.cost),
    )
    return [f"{name}: {value}" for name, value in facts if value]


def summary(records: Sequence[Record]) -> str:
    """How many passed, failed, failed as expected, and could not be asked."""
    count = Counter(record.status for record in records)
    parts = [f"{count['pass']} passed", f"{count['fail']} failed"]
    if count["expected"]:
        parts.append(f"{count['expected']} failed as expected")
    return ", ".join([*parts, f"{count['absent']} absent"])


def markdown(records: Sequence[Record]) -> str:
    """A table of what was made, for a page."""
    lines = ["| check | of | status | error | allowed | probably |", "|---|---|---|---|---|---|"]
    for r in records:
        if r.status != "absent":
            cells = (f"`{r.check}`", r.equation, r.status, f"{r.error:.2g}", f"{r.tolerance:.2g}")
            lines.append(f"| {' | '.join((*cells, r.probably.replace('|', chr(92) + '|')))} |")
    return "\n".join([*lines, "", summary(records)])


def junit(records: Sequence[Record], target: str) -> str:
    """The XML that viewers of continuous integration read: absent and expected are skipped.

    As the schema of Jenkins (junit-10.xsd) has it, which the others' are wider than.
    """
    count = Counter(record.status for record in records)
    totals = {"tests": str(len(records)), "failures": str(count["fail"]), "errors": "0"}
    root = ElementTree.Element("testsuites", totals)
    skipped = str(count["absent"] + count["expected"])
    head = {"name": _for_xml(f"npuq check {target}"), **totals, "skipped": skipped}
    suite = ElementTree.SubElement(root, "testsuite", head)
    for record in records:
        function, _, law = record.check.partition(".")
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": _for_xml(f"{target}.{function}"), "name": law, "time": "0"},
        )
        if record.status == "fail":
            message = _for_xml(record.probably or record.message)
            failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "fail"})
            failure.text = _for_xml("\n".join(explanation(record)))
        elif record.status != "pass":
            ElementTree.SubElement(case, "skipped", {"message": _for_xml(record.message)})
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _for_xml(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write, as a target's message may hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
