"""Every number in prose stands in code: what is asserted, asked or made, and not only said.

A number in a notebook's prose has to stand in one of its code cells. A number on a page has to stand
in the file that SOURCES names for it. Some kinds of numbers need no source: KINDS has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from made.proofs import PROOFS

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
PAGES = sorted(ROOT.glob("book/*.md"))

MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
NUMBER = r"\d[\d,]*(?:\.\d+)?"
MARKUP = re.compile(  # no prose: code, raw parts and what a directive includes, links' targets, roles
    r"^(```+).*?^\1|`[^`]*`|\]\([^)]*\)|\{\{.*?\}\}|^\([\w-]+\)=|<[^>]+>", re.DOTALL | re.MULTILINE
)
PROVED = re.compile(r"[^.:]*(?:\d\.\d[^.:]*)*`make prove`[^.]*\.")  # a sentence that says what asserts it
KINDS = re.compile("|".join((  # numbers that need no source
    rf"{NUMBER}(?:(?:, | and | to |–){NUMBER})* {MONTH}(?: \d{{4}})?|{MONTH} {NUMBER}",  # dates
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?|\b\d{1,2}:\d\d(?::\d\d)?",  # and times
    r"\b(?:19|20)\d\d\b",  # years
    r"\b(?:PostgreSQL|Python|SQL|MariaDB|Db2|InnoDB|UTF|CC BY|PSF|x86|arm|UTC)[ :-]?\d[\d.]*(?: to \d[\d.]*)?",  # versions
    r"\bport \d+",  # of other programs
    r"\*\*Presses:\*\* \d+|\b\d+ presses",  # which test_demo.py counts
    r"\bzoom \d+ %|\bEsc, 0, 0\b",  # what to press
    rf"\b[Cc]hapters? {NUMBER}(?:(?:, | and | to ){NUMBER})*|\b[Ee]xercises? {NUMBER}",
    rf"^\s*\**{NUMBER}\.(?= )",  # of a list, or an exercise
)), re.MULTILINE)  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
TEENS = ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORDS = (
    dict(zip(TEENS, range(11, 20), strict=True))
    | {ten: 10 * place for place, ten in enumerate(TENS, 2)}
    | {f"{ten}-{unit}": 10 * place + rest for place, ten in enumerate(TENS, 2)
       for rest, unit in enumerate(UNITS, 1)}
)  # fmt: skip
IN_WORDS = re.compile(rf"\b(?:{'|'.join(sorted(WORDS, key=len, reverse=True))})\b", re.IGNORECASE)


def told(prose: str) -> list[Decimal]:
    """The numbers that a text states."""
    left = KINDS.sub(" ", MARKUP.sub(" ", prose))
    digits = [value(each) for each in re.findall(rf"(?<![\w./-]){NUMBER}(?![\w/]*\w)|{NUMBER}(?=(?:st|nd|rd|th|x)\b)", left)]
    return digits + [Decimal(WORDS[each.lower()]) for each in IN_WORDS.findall(left)]


def value(number: str) -> Decimal:
    return Decimal(re.sub("[,_]", "", number)).normalize()


def stated(code: str) -> set[Decimal]:
    """The numbers that stand in code, but for those of dates and times."""
    left = re.sub(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?", " ", code)
    return {value(each) for each in re.findall(r"(?<![\w.])\d[\d_]*(?:,\d{3})*(?:\.\d+)?", left)}


def test_what_is_a_number_that_needs_a_source() -> None:
    text = """**1. On 9 July** 2023, at 12:00, `AS OF 7`, PostgreSQL 18.6 and Python 3.11 to 3.13 had $1,014.64
of store 5, half of twenty-seven, as [chapter 3](../03_x.md) says: the 14th, 65% and 7,212 rows, 3 GB."""
    assert told(text) == [value(each) for each in ("1,014.64", "5", "14", "65", "7,212", "3", "27")]
    assert stated("assert x == 1_014.64 and at('2023-07-09 12:00') == 27, '7,212'") == {
        Decimal("1014.64"), Decimal(27), Decimal(7212)}  # fmt: skip


def test_a_sentence_that_says_what_proves_it_needs_no_other_source() -> None:
    assert told(PROVED.sub(" ", "Of 3 rows, 1.5 are. It is 7.7 million (`make prove`). Then 4.")) == [
        Decimal(3), Decimal("1.5"), Decimal(4)]  # fmt: skip


def code(path: Path) -> str:
    """What is code of a file: of a notebook its code cells, of a module all but its docstring."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text.split('"""', 2)[-1]
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")


def missing(prose: str, stands: Iterable[Decimal]) -> list[str]:
    return [f"{each:f}" for each in told(prose) if each not in stands]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_number_in_a_notebooks_prose_stands_in_its_code(path: Path) -> None:
    stands = stated(code(path))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = {f"cell {number}, {cell['id']}": missing(PROVED.sub(" ", "".join(cell["source"])), stands)
             for number, cell in enumerate(cells) if cell["cell_type"] == "markdown"}  # fmt: skip
    assert {cell: numbers for cell, numbers in prose.items() if numbers} == {}


SOURCES: dict[str, dict[str, list[str]]] = {  # by page, the numbers that a file has
    "architecture": {"medallion_lib/serve/session.py": ["64"]},
    "ask_it_yourself": {"book/_static/ask/cells.js": ["8"]},
    "how_we_know": {
        "tests/silver/test_batches.py": ["7", "100", "1,000"],
        "tests/bronze/test_capture.py": ["6,300"],
        "tests/silver/test_merge.py": ["3,050"],
        "tests/shop/test_pagila_kills.py": ["100", "100,000"],
    },
    "presenters_guide": {
        "notebooks/00_five_minute_demo.ipynb": ["5", "2", "27", "14", "25.99", "107.12"],
        "notebooks/90_popular_sql.ipynb": ["65", "5,596"],
        "book/made/costs.json": ["62,400", "15", "50"],
        "medallion_lib/server/postgresql.conf": ["4"],
    },
    "proofs": {
        "tests/source/test_identity.py": ["46"],
        "tests/system_time/test_statements.py": ["600"],
    },
    "troubleshooting": {
        "medallion_lib/server/postgresql.conf": ["4"],
        "medallion_lib/__main__.py": ["2"],
        "medallion_lib/upkeep/metrics.py": ["200", "503"],
    },
    "when_to_use_which": {
        "tests/bronze/test_two_feeds.py": ["365"],
        "notebooks/05_two_feeds.ipynb": ["14"],
        "book/made/kept.py": ["1,000,000"],
        "medallion_lib/server/postgresql.conf": ["4"],
    },
}


def sourced(page: str) -> set[Decimal]:
    return {value(each) for numbers in SOURCES.get(page, {}).values() for each in numbers}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_number_on_a_page_has_a_source(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8"), sourced(path.stem)) == []


def test_every_number_of_the_proofs_has_a_source() -> None:
    assert missing("\n".join(PROOFS.values()), sourced("proofs")) == []


@pytest.mark.parametrize(("page", "file"), [(page, file) for page in SOURCES for file in SOURCES[page]])
def test_a_source_has_its_numbers(page: str, file: str) -> None:
    numbers = {value(each) for each in SOURCES[page][file]}
    assert numbers <= stated(code(ROOT / file)), page


@pytest.mark.parametrize("page", SOURCES)
def test_no_source_is_named_for_a_number_that_a_page_no_longer_has(page: str) -> None:
    prose = "\n".join(PROOFS.values()) if page == "proofs" else (ROOT / f"book/{page}.md").read_text(encoding="utf-8")
    assert sourced(page) <= {*told(prose)}
