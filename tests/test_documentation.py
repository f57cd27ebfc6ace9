"""The pages: every link leads somewhere, every equation is a click away, every citation resolves.

Everything is read as text; nothing of npuq is imported.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "npuq" / "paper"
PAGES = sorted(
    path
    for folder in (".", ".github", "npuq", "bench", "examples", "tests")
    for path in ([*ROOT.glob("*.md")] if folder == "." else (ROOT / folder).rglob("*.md"))
)
FILES = sorted((ROOT / "npuq").rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Without blocks of code, in which brackets are no links."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    """It is valid CFF 1.2.0 by cffconvert 2.0.0; what may change is looked at here."""
    citation = (ROOT / ".github" / "CITATION.cff").read_text("utf-8")
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "npuq/__init__.py").read_text(), re.M)
    assert version is not None and f"\nversion: {version[1]}\n" in citation
    paper = "https://arxiv.org/abs/2006.09952"
    for file in (
        citation,
        *((ROOT / name).read_text() for name in ("pyproject.toml", "README.md")),
    ):
        assert paper in file


# --- links --------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, dashes for blanks, nothing else kept."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """What links, and pictures, of a page lead to."""
    return re.findall(r"\]\(([^()\s]+)\)", text_of(page))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://arxiv.org/abs/", "https://doi.org/")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists() and path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_is_reached_from_the_readme() -> None:
    reached, new = set[Path](), {ROOT / "README.md"}
    while new:
        reached |= new
        found = {
            (page.parent / link.partition("#")[0]).resolve()
            for page in new
            if page.suffix == ".md"
            for link in links(page)
            if "://" not in link
        }
        new = {path / "README.md" if path.is_dir() else path for path in found} - reached
        new = {path for path in new if path.exists()}
    assert set(PAGES) <= reached


def test_the_readme_is_short_and_says_where_to_begin() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 180
    read = text[text.index("## Read") :]
    first = re.search(r"\]\(([^()]+)\)", read)
    assert first is not None and first[1] == "examples/linear_model_by_hand.py"
    assert text.count("No licence is given yet.") == 1


# --- the table of equations ---------------------------------------------------------------------


def equation_rows() -> list[list[str]]:
    """Cells of the rows: number, notation, functions, tests."""
    text = (PAPER / "README.md").read_text("utf-8")
    table = text[text.index("\n| Eq. |") : text.index("\nIn the code, ")]
    return [re.split(r" \| ", line[2:-2]) for line in table.strip().splitlines()[2:]]


def test_every_equation_has_a_row() -> None:
    numbers: list[int] = []
    for number, *_ in equation_rows():
        first, last = (re.findall(r"\d+", number) * 2)[:2] if "-" in number else ("", "")
        if last:
            numbers += range(int(first), int(last) + 1)
        elif not number.startswith(("Sec.", "Lemma")):
            numbers += [int(found) for found in re.findall(r"\d+", number)]
    assert set(numbers) == set(range(1, 45))


@pytest.mark.parametrize("row", equation_rows(), ids=lambda row: f"Eq. {row[0]}")
def test_functions_and_tests_of_an_equation_are_where_their_links_lead(row: list[str]) -> None:
    _, _, functions, tests = row
    named = re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", functions)
    assert named and functions.count("`") == 2 * len(named)
    for name, link in named:
        *module, function = name.split(".")
        path = (PAPER / link).resolve()
        assert path == ROOT.joinpath(*module).with_suffix(".py"), name
        assert f"\ndef {function}(" in path.read_text("utf-8"), name
    for name, link in re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", tests):
        path, _, test = name.partition("::")
        assert (PAPER / link).resolve() == ROOT / path, name
        assert f"\ndef {test}(" in (ROOT / path).read_text("utf-8"), name


def test_forms_as_printed_are_in_the_rows_of_their_equations() -> None:
    """What is to be read is one click away, too, where something else computes."""
    rows = {int(n): row[2] for row in equation_rows() if (n := row[0]).isdecimal()}
    seen: set[int] = set()
    for path in PAPER.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_literal"):
                summary = (ast.get_docstring(node) or "").partition("\n\n")[0]
                numbers = {int(n) for n in re.findall(r"\((\d+)\)", summary)}
                assert numbers, f"{node.name} says of no equation that it is it"
                for number in numbers:
                    assert f".{path.stem}.{node.name}`" in rows[number], (node.name, number)
                seen |= numbers
    assert {10, 12, 13, 14, 22, 26, 43, 44} <= seen


def pair_rows() -> list[list[str]]:
    """Cells of the table of plain functions and their twins in npuq/README.md."""
    text = (ROOT / "npuq" / "README.md").read_text("utf-8")
    table = text[text.index("\n| | plain, to read |") :].partition("\n\n")[0]
    return [re.split(r" \| ", line[2:-2]) for line in table.strip().splitlines()[2:]]


@pytest.mark.parametrize("row", pair_rows(), ids=lambda row: row[0])
def test_plain_functions_and_their_twins_are_where_their_links_lead(row: list[str]) -> None:
    _, plain_ones, twins, tests = row
    functions = re.findall(r"\[`npuq\.([\w.]+)`\]\(([^)]+)\)", plain_ones)
    assert functions and plain_ones.count("`") == 2 * len(functions)
    folders = re.findall(r"\[(c\w+)/(\w+\.py)\]\(kernels/\1/\2\)", twins)
    assert folders and twins.count("[") == len(folders)
    for name, link in functions:
        module, _, function = name.rpartition(".")
        assert link == f"{module.replace('.', '/')}.py"
        source = (ROOT / "npuq" / link).read_text("utf-8")
        assert f"\ndef {function}(" in source, name
        for place, file in folders:
            assert file == Path(link).name, f"{name}: a twin's file has the name of the plain one"
            twin = (ROOT / "npuq" / "kernels" / place / file).read_text("utf-8")
            assert f"`npuq.{name}`" in twin or f"`npuq.{module}`" in twin, name
    for name, link in re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", tests):
        path, _, test = name.partition("::")
        assert link == f"../{path}" and f"\ndef {test}(" in (ROOT / path).read_text("utf-8"), name


def test_the_reading_order_is_six_files_in_one_sentence() -> None:
    text = (PAPER / "README.md").read_text("utf-8")
    order = re.search(r"Read it in this order: (.+?)\.\n", text, re.S)
    assert order is not None
    files = re.findall(r"\[(\w+\.py)\]\(\1\)", order[1])
    assert len(files) == 6 and all((PAPER / file).exists() for file in files)


# --- citations ----------------------------------------------------------------------------------

NAME = r"(?:El |Van |van der )?[A-Z][\w'’\-]*[a-zé]"
CITATION = re.compile(
    rf"({NAME}(?:(?:, | & | and )(?!and\b){NAME})*(?: et al\.)?),?\s\(?((?:18|19|20)\d\d)\b"
)
NO_PEOPLE = {"JPEG", "Sec", "Eq", "Eqs", "Secs", "Fig", "Figs"}


class Entry(NamedTuple):
    """An entry of the bibliography."""

    authors: tuple[str, ...]
    is_cut: bool  # "and others"
    year: str


def plain(name: str) -> str:
    """Docstrings write some names without their accents."""
    return name.translate(str.maketrans("éáóöäú", "eaooau")).removeprefix("Van ")


def bibliography() -> list[Entry]:
    text = (PAPER / "README.md").read_text("utf-8")
    entries = []
    for names, year in re.findall(r"^\* \*\*(.+?) (\d{4})\.\*\*", text, re.M):
        authors = re.split(r", | & | and (?!others)", names.removesuffix(" and others"))
        entries.append(Entry(tuple(map(plain, authors)), "and others" in names, year))
    return entries


def matching(names: str, year: str) -> list[Entry]:
    """The entries that a citation can mean: the authors it names are the first ones, in order."""
    more = names.endswith(" et al.")
    cited = tuple(map(plain, re.split(r", | & | and ", names.removesuffix(" et al."))))
    found = []
    for entry in bibliography():
        begins = entry.year == year and entry.authors[: len(cited)] == cited
        complete = len(entry.authors) == len(cited) and not entry.is_cut
        if begins and complete != more:
            found.append(entry)
    return found


def prose(path: Path) -> Iterator[str]:
    """Docstrings, also those below constants, and comments; line breaks as blanks."""
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield re.sub(r"\s+", " ", str(node.value.value))
    with tokenize.open(path) as file:
        comments = [
            t for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT
        ]
    yield re.sub(r"\s+", " ", " ".join(t.string.lstrip("#") for t in comments))


def citations(text: str) -> Iterator[tuple[str, str]]:
    for names, year in CITATION.findall(text):
        if names not in NO_PEOPLE:
            yield names, year


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_citations_are_in_the_bibliography(path: Path) -> None:
    for text in prose(path):
        for names, year in citations(text):
            found = matching(names, year)
            assert len(found) == 1, f"{names} {year}: {len(found)} entries of npuq/paper/README.md"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_year_belongs_to_a_citation(path: Path) -> None:
    """However it is written, `Elias's gamma code (1975)`: a first author of that year is near."""
    years = {entry.year for entry in bibliography()}
    for text in prose(path):
        for match in re.finditer(r"(?<![\w.^,])(?:19|20)\d\d(?![\w^]|[.,]\d| px)", text):
            before = plain(text[max(0, match.start() - 100) : match.start()])
            if re.search(r"JPEG $|\b[HW] = $", before):
                continue
            assert match[0] in years, f"{match[0]} after {before!r}"
            near = [e for e in bibliography() if e.year == match[0] and e.authors[0] in before]
            assert near, f"{match[0]} after {before!r}"


def test_the_bibliography_has_nothing_twice_and_is_in_order() -> None:
    entries = bibliography()
    assert len(entries) == len(set(entries)) > 50
    assert entries == sorted(entries, key=lambda entry: (entry.authors[0], ""))


def test_the_papers_numbers_resolve() -> None:
    """`ref. [7]` of docstrings, to an entry that ends in that number."""
    text = (PAPER / "README.md").read_text("utf-8").replace("\n  ", " ")
    for path in FILES:
        for number in re.findall(r"ref\. \[(\d+)\]", path.read_text("utf-8")):
            assert re.search(rf"^\* .*\[{number}\]$", text, re.M), f"{path.name}: [{number}]"


@pytest.mark.parametrize(
    "text",
    [
        "as in Ballé et al. (2018)",
        "(Ballé 2018, Sec. 2)",
        "(Havasi et al. 2019)",
        "Li and El Gamal (2017)",
        "Harsha, Jain, McAllester and Radhakrishnan (2007)",
        "(Virtanen et al. 2020)",
    ],
)
def test_such_citations_are_found(text: str) -> None:
    assert [len(matching(*found)) for found in citations(text)] == [1]


@pytest.mark.parametrize(
    "text", ["Ballé & Minnen 2018", "Ballé et al. 2019", "Nobody (1999)", "Saxe 2014"]
)
def test_citations_of_nothing_are_noticed(text: str) -> None:
    assert [len(matching(*found)) for found in citations(text)] == [0]
