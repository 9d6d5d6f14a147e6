"""No page of the built site is longer than its budget, nor are all of them together."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import SITE

BUDGETS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
DRAWN = "svg, style, script"
FOUND = 'table:has(th:-soup-contains("what was found")) td:last-child'  # more by make prove than by make test


def words(page: Path) -> int:
    """Those of its article, code, tables and outputs included. Pictures have none, nor has what a run found."""
    article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
    if article is None:
        return 0
    for each in article.select(f"{DRAWN}, {FOUND}"):
        each.decompose()
    return len(article.get_text(" ").split())


@pytest.fixture(scope="module")
def counts(site: str) -> dict[str, int]:
    pages = {path.relative_to(SITE).with_suffix("").as_posix(): words(path) for path in SITE.rglob("*.html")}
    return {page: count for page, count in pages.items() if count}


def test_every_page_has_a_budget(counts: dict[str, int]) -> None:
    assert set(counts) == set(BUDGETS["pages"])


def test_no_page_is_longer_than_its_budget(counts: dict[str, int]) -> None:
    budgets = BUDGETS["pages"]
    assert {page: f"{n} words of {budgets[page]}" for page, n in counts.items() if n > budgets[page]} == {}


def test_all_pages_together_stay_within_theirs(counts: dict[str, int]) -> None:
    assert sum(counts.values()) <= BUDGETS["all"]
