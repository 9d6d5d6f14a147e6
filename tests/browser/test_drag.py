"""The slider of the introduction: by mouse, keyboard, touch and link, and without script."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from conftest import anew, at_page, windows
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from medallion_lib import Medallion

WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
INSTANTS = [
    "2023-06-12", "2023-07-01", "2023-07-05T10:12:40", "2023-07-09", "2023-07-09T09:41:18",
    "2023-07-09T09:41:29", "2023-07-09T09:43:30", "2023-07-10", "2023-07-12",
    "2023-07-12T14:09:47", "2023-07-24T10:44:28", "2023-12-01", "today",
]  # fmt: skip


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    opened = Medallion.open(f"drag_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    opened.reset(year=True)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[Page]:
    with windows(chromium, viewport=WIDE, reduced_motion="reduce") as opened:
        yield opened


@pytest.fixture
def page(site: str, window: Page) -> Iterator[Page]:
    """The introduction, loaded anew."""
    with anew(window, f"{site}/book/intro.html") as opened:
        yield opened


def shown(page: Page) -> dict[int, str]:
    rows = page.locator(".drag-row").all()
    return {int(row.get_attribute("data-store") or 0): money(row) for row in rows}


def money(row: Locator) -> str:
    return row.locator(".money b").inner_text()


def answered(year: Medallion, query: str) -> dict[int, str]:
    """What the query says of the stores, those it leaves out included."""
    with year.warehouse.connect() as connection:
        answer = dict(map(tuple, connection.exec_driver_sql(query)))
    return {store: f"${answer.get(store, 0):,.2f}" for store in range(1, 8)}


def winner(page: Page) -> str:
    return " ".join(page.locator(".drag-row.won .who").inner_text().split())


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="As of which date")


def says(page: Page) -> str | None:
    return slider(page).get_attribute("aria-valuetext")


def test_the_bars_are_what_the_query_below_them_answers(page: Page, year: Medallion) -> None:
    for instant in INSTANTS:
        page.evaluate(f"location.hash = 'asof={instant}'")
        clause = f"FOR SYSTEM_TIME AS OF '{instant.replace('T', ' ')}'"
        expect(page.locator(".drag-clause b")).to_have_text(clause[-len(instant) - 2 :])
        query = page.locator(".drag-sql").inner_text()
        assert clause in query if instant != "today" else "SYSTEM_TIME" not in query
        answer = answered(year, query)
        assert dict(sorted(shown(page).items())) == answer, instant
        cells = page.locator(".drag > details:not(.receipts) td:nth-child(2)").all_text_contents()
        assert cells == list(answer.values()), instant


def test_dragging_past_the_late_postings_flips_the_winner(page: Page) -> None:
    assert winner(page) == "Store 5 wins the bonus"
    box = slider(page).bounding_box()
    assert box
    at = [box["x"] + 12 + place / 93 * (box["width"] - 24) for place in (30, 54, 93)]
    page.mouse.move(at[0], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(at[1], box["y"] + box["height"] / 2, steps=20)
    assert winner(page) == "Store 2 wins the bonus"
    assert page.locator(".drag-title").inner_text().endswith("store 2 won June. Today too.")
    page.mouse.move(at[2] + 30, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert says(page) == "today: store 2 wins the bonus"
    assert page.url.endswith("#asof=today")


def test_every_key_of_a_slider_works(page: Page) -> None:
    slider(page).focus()
    for key, text in [
        ("ArrowRight", "2 July 2023: store 5 wins the bonus"),
        ("ArrowLeft", "1 July 2023: store 5 wins the bonus"),
        ("PageUp", "9 July 2023, 09:41:29: store 2 wins the bonus"),
        ("PageUp", "9 July 2023, 09:43:30: store 2 wins the bonus"),
        ("ArrowRight", "10 July 2023: store 2 wins the bonus"),
        ("PageUp", "12 July 2023, 14:09:47: store 2 wins the bonus"),
        ("End", "today: store 2 wins the bonus"),
        ("Home", "1 June 2023: no revenue yet"),
        ("ArrowUp", "2 June 2023: store 2 leads"),
        ("PageDown", "1 June 2023: no revenue yet"),
    ]:
        page.keyboard.press(key)
        assert says(page) == text, key


def test_a_finger_can_choose(site: str, chromium: Browser) -> None:
    with chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        page.get_by_role("button", name="14 late postings").tap()
        assert says(page) == "9 July 2023, 09:43:30: store 2 wins the bonus"
        box = slider(page).bounding_box()
        assert box
        page.touchscreen.tap(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
        assert says(page) == "today: store 2 wins the bonus"


def test_a_link_opens_on_its_date_and_is_kept(site: str, page: Page) -> None:
    page.goto("about:blank")
    page.goto(f"{site}/book/intro.html#store=5&asof=2023-07-12T15:00:00Z")
    assert says(page) == "12 July 2023, 14:09:47: store 2 wins the bonus"
    slider(page).press("ArrowRight")
    assert page.url.endswith("#store=5&asof=2023-07-13")
    page.evaluate("location.hash = 'asof=never'")
    page.get_by_role("button", name="board pack").click()
    assert page.url.endswith("#asof=2023-07-01")


def test_play_runs_to_today_and_pauses(site: str, chromium: Browser) -> None:
    with at_page(chromium, f"{site}/book/intro.html", viewport=WIDE, reduced_motion="reduce") as page:
        page.clock.install()
        page.clock.pause_at(page.evaluate("Date.now() + 1000"))
        page.get_by_role("button", name="Play").click()
        page.clock.run_for(3000)
        page.get_by_role("button", name="Pause").click()
        paused = says(page)
        assert paused != "1 July 2023: store 5 wins the bonus"
        page.clock.run_for(3000)
        assert says(page) == paused
        page.get_by_role("button", name="Play").click()
        page.clock.run_for(30_000)
        assert says(page) == "today: store 2 wins the bonus"
        assert page.get_by_role("button", name="Play").is_visible()


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_story_is_on_the_first_screen(
    site: str, chromium: Browser, viewport: ViewportSize
) -> None:
    with chromium.new_context(viewport=viewport) as context:
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        for mark in page.locator(".drag [data-stop]:visible").all():
            mark.click()
            box = page.locator(".drag-time").bounding_box()
            assert box
            assert box["y"] + box["height"] <= viewport["height"], mark.inner_text()
            wide = page.evaluate(
                "[document.documentElement, ...document.querySelectorAll('.who, .money')]"
                ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
            )
            assert not wide, mark.inner_text()


def test_without_script_the_page_reads(site: str, chromium: Browser) -> None:
    with chromium.new_context(viewport=WIDE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        assert page.locator(".drag-title").inner_text() == (
            "By the board pack, store 5 won June. Today, store 2 did."
        )
        assert winner(page) == "Store 5 wins the bonus"
        assert shown(page)[5] == "$1,014.64"
        assert slider(page).is_disabled()
        assert not page.get_by_role("button", name="Play").is_visible()
        page.get_by_text("The same in numbers").click()
        row = page.get_by_role("row", name="Store 2")
        assert row.inner_text().split() == ["Store", "2", "$1,003.44", "$1,079.10"]
