"""One change's way in chapter 1, in the page: from a table of the shop through the log to the mart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from conftest import SITE, Offered, anew, at_page, loads, look, turned, windows
from playwright.sync_api import Browser, Page, expect
from test_site import STICKS_OUT, rules, violations

from medallion_lib import Medallion

pytestmark = pytest.mark.usefixtures("patient")

CHAPTER = "notebooks/01_bronze_change_capture.html"
AMOUNTS = ["0.00", "0.01", "-0.01", "1.00", "9.99", "10.00", "99.99", "100.00", "999.99", "-999.99", "7.50"]
INSTANTS = ["2023-06-11 11:22:49+00", "1999-12-31 23:59:59.999+00", "2000-01-01 00:00:00+00",
            "2023-06-11 11:22:49.123456+00", "2023-06-11 11:22:40+00", "1969-07-20 20:17:40.5+00"]  # fmt: skip
# Changes the payment and reads its record for each value, as the server has the row and as the log has it.
READ_RECORDS = """async ([amounts, instants]) => {
    const { open } = await import('../_static/ask/session.js')
    const { row } = await import('../_static/ask/record.js')
    const way = await (await fetch('../_static/ask/way.json')).json()
    const session = await open()
    await session.ask(way.ready)
    const columns = (await session.ask(way.columns)).rows.map(([name, type]) => ({ name, type }))
    const told = []
    const read = async change => {
        const [[end]] = (await session.ask('SELECT pg_current_wal_insert_lsn()')).rows
        await session.ask(`UPDATE shop.payment SET ${change}`)
        const { rows: [[, bytes]] } = await session.ask(way.record.replaceAll('{log_ends}', end))
        const { rows: [server] } = await session.ask(
            `SELECT ${columns.map(({ name }) => name).join(', ')} FROM shop.payment`)
        told.push([Object.values(row(bytes, columns)), server])
    }
    for (const amount of amounts) await read(`amount = ${amount}`)
    for (const instant of instants) await read(`payment_date = '${instant}'`)
    await session.ask('ALTER TABLE shop.payment ALTER staff_id DROP NOT NULL')
    await read('staff_id = NULL')
    return told
}"""


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[Page]:
    with windows(chromium) as opened:
        yield opened


@pytest.fixture
def page(site: str, offered: Offered, window: Page) -> Iterator[Page]:
    """The chapter, loaded anew."""
    with anew(window, f"{site}/{CHAPTER}") as opened:
        yield opened


@pytest.fixture(scope="module")
def followed(site: str, offered: Offered, chromium: Browser) -> Iterator[Page]:
    """The chapter, in which one change has gone its way."""
    with at_page(chromium, f"{site}/{CHAPTER}") as opened:
        follow(opened)
        yield opened


def follow(page: Page) -> list[list[list[str]]]:
    """The rows of each step's answer."""
    page.locator("#the-row-in-bronze").get_by_role("button", name="Follow a change here").click()
    expect(page.locator(".ask-bar .ask-status").last).to_contain_text("From the shop to the mart in")
    return page.locator(".ask-way > li").evaluate_all(
        "steps => steps.map(step => [...step.querySelectorAll('tbody tr')].map(row => [...row.cells].map(c => c.textContent)))"
    )


def test_a_change_goes_from_the_shop_through_the_log_to_the_mart(page: Page) -> None:
    for press in range(3):
        update, record, bronze, merge, versions, mart = follow(page)
        assert update == []
        ((kind, new_row, commit_lsn, commit_ts),) = record
        assert kind in ("HOT_UPDATE", "UPDATE")
        assert new_row.startswith("\\x")
        ((lsn, seq, op, full_row, landed_ts),) = bronze
        high, low = (int(half, 16) for half in commit_lsn.split("/"))
        assert (int(lsn), seq, op, landed_ts) == ((high << 32) + low, "1", "U", commit_ts)
        amount = Decimal("1.28") + press + 1
        assert json.loads(full_row, parse_float=Decimal) == {
            "payment_id": 6735, "customer_id": 329, "staff_id": 11, "rental_id": 6082,
            "amount": amount, "payment_date": "2023-06-11 11:22:49+00"}  # fmt: skip
        assert merge == [["1", "0", "1", "0", "1", "0"]]  # one event, one row in place, one version over
        (new, old) = versions
        assert [Decimal(new[0]), new[2], Decimal(old[0])] == [amount, "infinity", amount - 1]
        # Two presses within a second are told apart to the millisecond, where they would look alike.
        assert new[1].startswith(old[2]) or old[2].startswith(new[1])
        assert new[1][:19] == commit_ts[:19]
        ((store, month, before, now),) = mart
        assert (store, month) == ("5", "2023-06-01")
        assert Decimal(now) - Decimal(before) == 1
        assert Decimal(now) == Decimal("983.18") + press + 1


def test_the_merge_is_the_projects_own(followed: Page) -> None:
    lab = Medallion.open("way")
    lab.reset(year=True)
    merge = lab.merge_statement("fact_payment")
    lab.close()
    lab.drop()
    followed.locator(".ask-way summary").click()
    sent = followed.locator(".ask-way details pre").inner_text()
    lsn = followed.locator(".ask-way > li").nth(2).locator("td").first.inner_text()
    assert sent.strip() == (merge % {"since": lsn, "upto": f"{lsn} + 1"}).strip()


def test_a_record_of_the_log_is_read_as_the_server_reads_the_row(page: Page) -> None:
    told = page.evaluate(READ_RECORDS, [AMOUNTS, INSTANTS])
    assert len(told) == len(AMOUNTS) + len(INSTANTS) + 1
    for read, server in told[:-1]:
        assert read == server
    read, server = told[-1]
    assert None in server
    assert read == [value for value in server if value is not None]


def test_it_says_by_what_it_reads_the_log(followed: Page) -> None:
    told = followed.locator(".ask-way > li").nth(1).inner_text()
    assert "Here pg_walinspect reads them." in told
    assert "through pgoutput, which does not run in the page." in told
    assert "pg_get_wal_block_info" in told


def test_the_notebooks_role_asks_again_after_it(followed: Page) -> None:
    role = followed.evaluate("""async () => {
        const { open } = await import('../_static/ask/session.js')
        return (await (await open()).ask('SELECT current_user')).rows
    }""")
    assert role == [["medallion_notebook"]]


@loads(("light", 1280), ("light", 390), ("dark", 390))
def test_the_steps_are_sound(
    site: str, offered: Offered, chromium: Browser, looks: list[tuple[str, int]]
) -> None:
    with at_page(chromium, f"{site}/{CHAPTER}", **look(*looks[0])) as page:
        follow(page)
        page.locator(".ask-way summary").click()
        known: dict[str, list[str]] = {"light": [], "dark": []}
        for scheme, width in turned(page, looks):
            assert page.evaluate(STICKS_OUT) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert violations(page, known[scheme], only=rules((scheme, width), looks), within="article") == []


def test_what_does_not_load_is_said(site: str, offered: Offered, chromium: Browser) -> None:
    with at_page(chromium, f"{site}/{CHAPTER}") as page:
        page.context.route("**/ask/pglite-*.wasm.gz", lambda route: route.abort())
        page.get_by_role("button", name="Follow a change here").click()
        expect(page.locator(".ask-bar .ask-status").last).to_contain_text("PostgreSQL did not start")


def test_the_way_is_only_where_it_can_be_gone(site: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto((SITE / CHAPTER).as_uri())
    expect(page.get_by_role("button", name="Follow a change here")).to_have_count(0)
    page.close()
