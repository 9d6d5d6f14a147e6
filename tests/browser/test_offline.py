"""The executed demo as one file, as `make book` left it, for a stage without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

FILE = Path(__file__).parents[2] / "_build" / "html" / "five_minute_demo.html"
RULE = "a reported number carries the date it was known at."


@pytest.mark.first(1)
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_demo_as_one_file_asks_nobody_for_anything(chromium: Browser, scheme: str) -> None:
    if not FILE.exists():
        pytest.skip("The site is not built: make book.")
    page = chromium.new_page(viewport={"width": 853, "height": 480}, color_scheme=scheme)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(FILE.as_uri(), wait_until="networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [FILE.as_uri()]
    assert said == []
    assert page.get_by_text(RULE).last.is_visible()
    assert page.locator("svg.mb-figure").count() == page.locator("figure:not(.drag)").count() > 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 853
    page.close()


@pytest.fixture(scope="module")
def stage(chromium: Browser) -> Iterator[Page]:
    """The file on a stage of 1280 × 720; the tests that turn its pages or open a receipt are the last."""
    if not FILE.exists():
        pytest.skip("The site is not built: make book.")
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.goto(FILE.as_uri(), wait_until="networkidle")
    yield page
    page.close()


def test_its_text_has_18_pt_and_more(stage: Page) -> None:
    """But for the labels within a figure, which are as large as its place lets them be."""
    small = stage.evaluate("""() => [...document.querySelectorAll(".slide *:not(svg *, script, style)")]
        .filter((each) => each.checkVisibility() && !each.closest(".visually-hidden"))
        .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 24)
        .map((each) => `${each.tagName} ${each.className}: ${each.textContent.slice(0, 40)}`)""")
    assert small == []


def test_a_beat_fits_a_screen(stage: Page) -> None:
    """The first slide grows when a receipt is opened under its slider."""
    heights = stage.evaluate(
        "[...document.querySelectorAll('.slide')].map((each) => each.scrollHeight)"
    )
    assert len(heights) > 12 and {i: each for i, each in enumerate(heights) if each > 722} == {}


def test_sql_is_monospaced(stage: Page) -> None:
    family = "getComputedStyle(document.querySelector('{}')).fontFamily"
    for place in (".code pre", ".drag-sql code"):
        assert "monospace" in stage.evaluate(family.format(place))


def test_the_arrow_keys_turn_its_pages(stage: Page) -> None:
    shown = stage.locator(".page")
    count = stage.locator(".slide").count()
    assert shown.inner_text() == f"1 / {count}"
    for key, number in (("ArrowRight", 2), ("ArrowDown", 3), ("ArrowLeft", 2), ("ArrowUp", 1)):
        stage.keyboard.press(key)
        expect(shown).to_have_text(f"{number} / {count}")


def test_the_slider_and_the_receipt_come_first_and_work(stage: Page) -> None:
    first = stage.locator(".slide").first
    first.locator("input").fill("0")
    expect(first.locator(".drag-date")).to_contain_text("June")
    first.locator(".drag-row").first.click()
    expect(first.locator("details.receipts")).to_have_attribute("open", "")
