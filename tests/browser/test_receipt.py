"""The receipt of a bar: by mouse, keyboard, touch and link, and without script."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from conftest import anew, at_page, loads, look, turned, windows
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect
from test_site import LOOKS, STICKS_OUT, UNFOLD, violations

from medallion_lib import Medallion

WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
STORES = range(1, 8)
INSTANTS = ["2023-07-01", "2023-06-06", "2023-07-09T09:41:29", "2023-07-12T14:06:38", "today"]


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    opened = Medallion.open(f"receipt_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
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


def bar(page: Page, store: int) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^(★ )?Store {store}\b"))


def receipt(page: Page, store: int) -> Locator:
    return page.get_by_role("region", name=f"The receipt of store {store}")


def cents(line: Locator) -> int:
    return round(100 * float(line.locator(".sum b").inner_text().lstrip("$").replace(",", "")))


def test_a_click_on_a_bar_opens_its_receipt_and_another_closes_it(page: Page) -> None:
    bar(page, 5).locator(".bar").click()
    expect(receipt(page, 5)).to_be_in_viewport()
    expect(receipt(page, 5).locator(".receipt-total b").last).to_have_text("$1,014.64")
    expect(bar(page, 5)).to_have_attribute("aria-expanded", "true")
    assert page.url.endswith("#store=5&asof=2023-07-01")
    bar(page, 2).locator(".who").click()
    expect(receipt(page, 2)).to_be_visible()
    expect(receipt(page, 5)).to_be_hidden()
    expect(bar(page, 5)).to_have_attribute("aria-expanded", "false")
    bar(page, 2).click()
    expect(receipt(page, 2)).to_be_hidden()
    expect(bar(page, 2)).to_be_focused()
    assert page.url.endswith("#asof=2023-07-01")


def test_a_bar_and_the_beginning_of_its_receipt_are_seen_together(page: Page) -> None:
    for store in STORES:
        bar(page, store).click()
        expect(bar(page, store)).to_be_in_viewport(ratio=1)
        place = receipt(page, store).bounding_box()
        assert place and place["y"] + 100 <= WIDE["height"], store
        bar(page, store).click()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_opens_it_and_escape_returns_to_the_bar(page: Page, key: str) -> None:
    bar(page, 6).focus()
    page.keyboard.press(key)
    expect(receipt(page, 6)).to_be_focused()
    said = page.locator(".receipt-said")
    assert said.get_attribute("aria-live") == "polite"
    expect(said).to_have_text(
        "Store 6’s June as known on 1 July 2023: 186 payments unchanged since the board pack "
        "and 1 listed add up to $734.16; not in it: 0."
    )
    page.keyboard.press("Tab")
    expect(receipt(page, 6).get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(receipt(page, 6).get_by_text("Versions of payment 6327")).to_be_visible()
    page.keyboard.press("Escape")
    expect(receipt(page, 6)).to_be_hidden()
    expect(bar(page, 6)).to_be_focused()
    expect(said).to_have_text("")


def test_its_button_closes_it(page: Page) -> None:
    bar(page, 3).click()
    receipt(page, 3).get_by_role("button", name="Close").click()
    expect(receipt(page, 3)).to_be_hidden()
    expect(bar(page, 3)).to_be_focused()


def test_the_line_under_the_figure_opens_the_winners(page: Page) -> None:
    line = page.get_by_text("The payments behind each bar")
    line.click()
    expect(receipt(page, 5)).to_be_focused()
    assert page.url.endswith("#store=5&asof=2023-07-01")
    page.keyboard.press("Escape")
    expect(receipt(page, 5)).to_be_hidden()
    expect(line).to_be_focused()


@pytest.mark.first(1)
@pytest.mark.parametrize("address", ["", "book/intro.html"])
def test_a_link_opens_it_and_it_moves_with_the_slider(site: str, page: Page, address: str) -> None:
    page.goto("about:blank")
    page.goto(f"{site}/{address}#store=2&asof=2023-07-09T09:41:29")
    expect(receipt(page, 2)).to_be_in_viewport()
    assert cents(receipt(page, 2).locator(".receipt-total")) == 101228
    expect(receipt(page, 2).locator(".others > li")).to_have_count(11)
    page.get_by_role("button", name="14 late postings").click()
    expect(receipt(page, 2).locator(".others > li")).to_have_count(0)
    assert page.url.endswith("#store=2&asof=2023-07-09T09:43:30")
    page.evaluate("location.hash = 'store=5&asof=today'")
    assert cents(receipt(page, 5).locator(".receipt-total")) == 98318
    page.evaluate("location.hash = 'asof=2023-07-01'")
    expect(receipt(page, 5)).to_be_hidden()
    page.evaluate("location.hash = 'store=8&asof=2023-07-01'")
    expect(page.locator(".receipt:visible")).to_have_count(0)


@pytest.mark.first(1)
@pytest.mark.parametrize("instant", INSTANTS)
def test_its_numbers_are_the_databases_as_of_the_instant(
    page: Page, year: Medallion, instant: str
) -> None:
    clause = "" if instant == "today" else f"FOR SYSTEM_TIME AS OF '{instant}'"
    mart = f"""
        SELECT (100 * total_revenue)::int, total_transactions FROM vw_monthly_revenue {clause}
        WHERE revenue_month = '2023-06-01' AND store_id = %s"""
    amounts = f"SELECT payment_id, (100 * amount)::int FROM fact_payment_current {clause}"
    with year.warehouse.connect() as connection:
        known = dict(map(tuple, connection.exec_driver_sql(amounts)))
        for store in STORES:
            page.evaluate(f"location.hash = 'store={store}&asof={instant}'")
            expect(receipt(page, store)).to_be_visible()
            same, total = (receipt(page, store).locator(f".receipt-{x}") for x in ("same", "total"))
            counted = listed(receipt(page, store).locator(".counted > li"))
            assert counted == {number: known[number] for number in counted}
            count = int(same.locator("span").first.inner_text().split()[0])
            answer = connection.exec_driver_sql(mart, (store,)).one_or_none() or (0, 0)
            assert (cents(total), count + len(counted)) == tuple(answer), store
            assert cents(same) + sum(counted.values()) == cents(total), store
            others = receipt(page, store).locator(".others caption").all_text_contents()
            assert not {number(one) for one in others if "Versions" in one} & {*known}


def listed(rows: Locator) -> dict[int, int]:
    """By the payment's number, which stands over its versions."""
    return {number(row.locator("caption").first.text_content()): cents(row) for row in rows.all()}


def number(caption: str | None) -> int:
    return int((caption or "").rpartition(" ")[2])


def test_the_version_that_holds_is_marked(page: Page) -> None:
    held = receipt(page, 5).locator("[data-steps]", has_text="payment 7436").locator(".holds")
    for instant, version in [
        ("2023-07-01", ["4.99", "2023-06-27 11:03:03", "2023-07-05 10:12:40"]),
        ("2023-07-05T10:12:40", ["2.99", "2023-07-05 10:12:40", "infinity"]),
        ("today", ["2.99", "2023-07-05 10:12:40", "infinity"]),
    ]:
        page.evaluate(f"location.hash = 'store=5&asof={instant}'")
        expect(held.locator("td")).to_have_text(version)


@loads(*LOOKS.values())
def test_it_is_sound_in_every_look(site: str, chromium: Browser, looks: list[tuple[str, int]]) -> None:
    known: dict[str, list[str]] = {"light": [], "dark": []}
    with at_page(chromium, f"{site}/book/intro.html", **look(*looks[0])) as page:
        for store in (2, 5):
            page.evaluate(f"location.hash = 'store={store}&asof=2023-07-10'")
            expect(receipt(page, store)).to_be_visible()
            page.evaluate(UNFOLD)
            for scheme, width in turned(page, looks):
                assert page.evaluate(STICKS_OUT) == []
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                scrolls = "e => [...e.querySelectorAll('.receipt-history')].some(x => x.scrollWidth > x.clientWidth)"
                assert not receipt(page, store).evaluate(scrolls)
                assert violations(page, known[scheme], within=".drag") == []


def test_a_finger_opens_it(site: str, chromium: Browser) -> None:
    with chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        bar(page, 2).tap()
        expect(receipt(page, 2)).to_be_in_viewport()
        receipt(page, 2).get_by_role("button", name="Close").tap()
        expect(receipt(page, 2)).to_be_hidden()


def test_on_paper_it_is_there_without_its_button(page: Page) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(receipt(page, 5)).to_be_visible()
    expect(receipt(page, 5).get_by_text("Versions of payment 7436")).to_be_visible()
    expect(receipt(page, 5).locator("button")).to_be_hidden()
    expect(page.locator(".receipt:visible")).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(receipt(page, 5)).to_be_hidden()
    page.emulate_media(media="null")


def test_without_script_the_board_packs_receipts_read(site: str, chromium: Browser) -> None:
    with chromium.new_context(viewport=WIDE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        page.get_by_text("The payments behind each bar").click()
        expect(page.locator(".receipt:visible")).to_have_count(7)
        assert cents(receipt(page, 5).locator(".receipt-total")) == 101464
        lines = receipt(page, 5).locator(".receipt-same, .counted > li:visible").all()
        assert sum(map(cents, lines)) == 101464
        assert len(lines) == 10
        assert not page.get_by_role("button", name="Close").is_visible()
