"""The page "Ask it yourself": every question has its known answer, and whatever the page offers works.

By keyboard alone, on a phone, in the dark; and a question that is sent as a link is the one asked.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, unquote

import pytest
from conftest import SITE, Offered, anew, at_page, loads, look, turned, windows
from made.asking import questions
from playwright.sync_api import Browser, Locator, Page, expect
from test_site import STICKS_OUT, rules, violations

from medallion_lib import Medallion

pytestmark = [pytest.mark.long(1), pytest.mark.usefixtures("patient")]

ADDRESS = "book/ask_it_yourself.html"
QUESTIONS = questions()
MARTS = ("vw_monthly_revenue", "vw_store_scorecard", "vw_top_titles")
STEP, START = 100, 2000  # milliseconds: of a step of the slider; of starting again, and an answer

# By question, a row that its answer has, and how many there are.
KNOWN: dict[str, tuple[list[str | None], int]] = {
    "Who won June, by the board pack?": (["5", "1014.64"], 7),
    "When did the winner change?": (["2023-07-10", "2", "1076.10"], 14),
    "Whose payments made the difference?": (["2", "Pemberton, Malik", None, "25.99", "25.99"], 27),
    "How did June fill up, as it was known each day?": (["2023-06-02", "155.96"], 60),
    "What did customer 42 look like on 1 July?":
        (["Naomi", "Cullen", "cullen86@mailhouse.example", "641", "2", "t"], 1),
    "What has happened to customer 42 in the year?":
        (["2023-10-03 19:22:44+00", "infinity", "naomi.cullen51@letterbox.example", "1209", "t"], 7),
    "Which film is gone?":
        (["686", "The Undertaker's Letter", "PG-13", "2022-12-31 20:00:07+00", "2023-09-12 11:24:31+00"], 1),
    "Which prices moved in September?": (["3.99", "3.79", "39"], 3),
    "Who has come back most often?": (["Kaminski, Nico", "5"], 8),
    "How many customers were active, month by month?": (["2023-07-01", "506"], 11),
    "Which payments were corrected most?": (["6735", "{4.28,1.28}", "3.00"], 5),
    "Which films earned most in June, by the board pack?": (["The Open Satellite", "105.84"], 8),
    "Which customers changed most often?": (["Ridley, Hollis", "20"], 8),
    "What did each store take on 30 June, as known that night?": (["5", "39.70"], 7),
}  # fmt: skip
# Of each statement, its rows and each row's text, as PostgreSQL writes it.
ASK_EACH = """async statements => {
    const { open } = await import('../_static/ask/session.js')
    const session = await open()
    const told = []
    for (const sql of statements) {
        const { rows } = await session.ask(sql)
        const texts = await session.ask(`SELECT answer::text FROM (${sql}) AS answer`)
        told.push([rows, texts.rows.map(([text]) => text)])
    }
    return told
}"""
# Moves the slider by a day at a time, and tells how long each new answer took to be there.
MOVE = """async count => {
    const slider = document.querySelector('.asking input'), took = []
    const main = document.querySelector('.asking-main')
    const free = async () => { while (main.ariaBusy === 'true') await new Promise(done => setTimeout(done, 1)) }
    for (let step = 1; step <= count; step++) {
        const began = performance.now()
        slider.stepUp()
        slider.dispatchEvent(new Event('input'))
        await free()
        took.push(performance.now() - began)
    }
    slider.dispatchEvent(new Event('change'))
    await free()
    return took
}"""


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    opened = Medallion.open(f"asking_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    opened.reset(year=True)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[Page]:
    with windows(chromium, accept_downloads=True) as opened:
        yield opened


@pytest.fixture
def page(site: str, offered: Offered, window: Page) -> Iterator[Page]:
    """The page, loaded anew, of which nothing was asked before."""
    with anew(window, f"{site}/{ADDRESS}") as opened:
        yield opened
        opened.evaluate("localStorage.clear(), sessionStorage.clear()")


@pytest.fixture(scope="module")
def started(site: str, offered: Offered, chromium: Browser) -> Iterator[Page]:
    with at_page(chromium, f"{site}/{ADDRESS}") as opened:
        yield opened


@pytest.fixture
def shared(started: Page) -> Page:
    """The page for tests that leave its PostgreSQL as it was; it begins as it does when it is opened."""
    started.evaluate("document.querySelectorAll('.asking-side details').forEach(fold => { fold.open = false })")
    editor(started).fill(QUESTIONS[0]["sql"])
    return started


def status(page: Page) -> Locator:
    return page.locator(".asking .ask-status")


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your SQL")


def ask(page: Page, sql: str) -> str:
    """What the page shows for it."""
    editor(page).fill(sql)
    editor(page).press("Control+Enter")
    return answer(page)


def answer(page: Page) -> str:
    expect(page.locator(".asking-main")).to_have_attribute("aria-busy", "false")
    expect(status(page)).to_have_text(re.compile(r" in \d+ ms\.$|^Refused\.$"))
    return page.locator(".asking .ask-answer").inner_text()


def begin(page: Page, title: str) -> None:
    page.get_by_role("button", name=title, exact=True).click()
    answer(page)


def test_every_question_has_its_known_answer_as_the_server_gives_it(shared: Page, year: Medallion) -> None:
    titles = shared.locator(".asking-questions button").all_inner_texts()
    assert titles == [each["title"] for each in QUESTIONS] == [*KNOWN]
    for each, (rows, texts) in zip(QUESTIONS, shared.evaluate(ASK_EACH, [each["sql"] for each in QUESTIONS]), strict=True):
        known, count = KNOWN[each["title"]]
        assert known in rows, each["title"]
        assert len(rows) == count, each["title"]
        with year.warehouse.connect() as connection:
            sql = f"SELECT answer::text FROM ({each['sql']}) AS answer"
            assert texts == [text for text, in connection.exec_driver_sql(sql)], each["title"]


def test_a_question_is_a_click_and_its_answer_a_table_and_a_chart(page: Page) -> None:
    expect(page.locator(".asking-chart")).to_be_hidden()
    begin(page, "Who won June, by the board pack?")
    expect(page.locator(".asking .ask-answer tbody tr")).to_have_count(7)
    assert "vw_monthly_revenue__as_of('2023-07-01')" in page.locator(".ask-answer pre").inner_text()
    chart = page.get_by_role("img", name="Chart of total_revenue by store_id: the table below has its 7 values")
    assert chart.locator("text").all_text_contents()[:2] == ["5", "1014.64"]
    expect(chart.locator(".bar")).to_have_count(7)
    expect(chart.locator("circle").first).to_be_visible()  # then is round
    expect(chart.locator(".square").first).to_be_hidden()
    ask(page, "SELECT store_id, total_revenue FROM vw_monthly_revenue WHERE revenue_month = '2023-06-01'")
    expect(page.locator(".asking-chart .square").first).to_be_visible()  # and now is square
    expect(page.locator(".asking-chart circle").first).to_be_hidden()
    begin(page, "How did June fill up, as it was known each day?")
    expect(page.locator(".asking-chart polyline")).to_have_count(1)
    assert len(page.locator(".asking-chart polyline").get_attribute("points").split()) == 60
    begin(page, "Which film is gone?")
    expect(page.locator(".asking-chart")).to_be_hidden()


@pytest.mark.parametrize(("sql", "bars"), [
    ("SELECT * FROM (VALUES ('a', 2), ('b', -3)) AS t", 2),
    ("SELECT * FROM (VALUES ('a', 1.5::float8), (NULL, 0)) AS t", 2),
    ("SELECT * FROM (VALUES ('a', 'NaN'::numeric), ('b', 1)) AS t", 0),
    ("SELECT * FROM (VALUES ('a', NULL::int), ('b', 1)) AS t", 0),
    ("SELECT * FROM (VALUES ('a', 0), ('b', 0)) AS t", 0),
    ("SELECT * FROM (VALUES ('infinity'::timestamptz, 1), (now(), 2)) AS t", 0),
    ("SELECT * FROM generate_series(1, 900) AS n, generate_series(1, 1) AS t", 0),
    ("SELECT 1, 2, 3 UNION ALL SELECT 2, 3, 4", 0),
    ("SELECT '<b>&amp;</b>', 1 UNION ALL SELECT 'x', 2", 2),
])  # fmt: skip
def test_only_what_can_be_drawn_is_a_chart(shared: Page, sql: str, bars: int) -> None:
    ask(shared, sql)
    expect(shared.locator(".asking-chart .bar")).to_have_count(bars)
    assert shared.locator(".asking-chart").is_visible() == bool(bars)
    assert "NaN" not in shared.locator(".asking-chart").inner_html()


def test_the_slider_asks_every_mart_as_of_another_day(
    shared: Page, record_property: Callable[[str, object], None]
) -> None:
    slider = shared.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "1 July 2023")
    for mart in MARTS:
        shared.locator(f".asking-side details[data-name={mart}] summary").click()
        shared.get_by_role("button", name=f"Ask {mart}", exact=True).click()
        answer(shared)
        shared.evaluate(MOVE, 1)  # the first of a statement is slower
        expect(editor(shared)).to_have_value(re.compile(rf"FROM {mart} FOR SYSTEM_TIME AS OF '2023-07-02'"))
        assert f"{mart}__as_of('2023-07-02')" in shared.locator(".ask-answer pre").inner_text()
        took = shared.evaluate(MOVE, 9)
        record_property(f"milliseconds of a step, {mart}", round(median(took)))


@pytest.fixture(scope="module")
def processor(offered: Offered) -> dict[str, Any]:
    """Milliseconds of the processor, since other tests run beside."""
    command = ["node", str(Path(__file__).with_name("steps.mjs")), str(SITE / "_static" / "ask"), *MARTS]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_step_takes_little_of_the_processor(processor: dict[str, Any]) -> None:
    """The quickest, since other tests share its caches."""
    for mart, took in processor["steps"].items():
        assert min(took) < STEP, mart


def test_a_start_and_its_answer_take_little_of_the_processor(
    processor: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    record_property("seconds of the processor to start and to answer", round(processor["start"] / 1000, 2))
    assert processor["start"] < START


def test_the_slider_flips_the_winner_and_keeps_the_scale(shared: Page) -> None:
    begin(shared, "Who won June, by the board pack?")
    slider = shared.get_by_role("slider")
    slider.focus()
    for _ in range(9):
        shared.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "10 July 2023")
    expect(shared.locator(".asking-chart text").nth(1)).to_have_text("1076.10")
    expect(shared.locator(".asking-chart text").first).to_have_text("2")
    expect(shared).to_have_url(re.compile("2023-07-10"))
    widest = shared.locator(".asking-chart .bar").first.evaluate("bar => bar.width.baseVal.value")
    for _ in range(9):
        shared.keyboard.press("ArrowLeft")
    expect(shared.locator(".asking-chart text").nth(1)).to_have_text("1014.64")
    assert shared.locator(".asking-chart .bar").first.evaluate("bar => bar.width.baseVal.value") < widest
    expect(shared).to_have_url(re.compile("2023-07-01"))
    editor(shared).fill("SELECT 1")
    expect(slider).to_be_disabled()


def test_a_link_carries_its_question(page: Page, site: str) -> None:
    sql = "SELECT 'a & b = 100%', E'\\n#', 'Ünïcode'"
    ask(page, sql)
    address = page.url
    assert unquote(address.partition("#sql=")[2]) == sql
    page.goto("about:blank")
    page.goto(address)
    expect(editor(page)).to_have_value(sql)
    page.get_by_role("button", name="Run", exact=True).click()
    assert "a & b = 100%" in answer(page)
    page.evaluate(f"location.hash = 'sql={quote('SELECT 6 * 7')}'")
    expect(editor(page)).to_have_value("SELECT 6 * 7")
    expect(page.locator(".ask-answer")).to_be_empty()  # it was another question's
    expect(page.get_by_role("button", name="Save as CSV")).to_be_disabled()
    page.go_back()
    expect(editor(page)).to_have_value(sql)
    page.go_forward()
    expect(editor(page)).to_have_value("SELECT 6 * 7")


def test_a_link_is_copied(site: str, offered: Offered, chromium: Browser) -> None:
    with chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(f"{site}/{ADDRESS}")
        editor(page).fill("SELECT 'sent'")
        page.get_by_role("button", name="Copy link").click()
        expect(status(page)).to_have_text("The link with this question is copied.")
        assert page.evaluate("navigator.clipboard.readText()") == f"{site}/{ADDRESS}#sql={quote('SELECT')}%20'sent'"


def test_what_was_asked_is_listed_and_comes_back(page: Page) -> None:
    for sql in ("SELECT 1 AS one", "SELECT 2 AS two", "SELECT 1 AS one"):
        ask(page, sql)
    before = page.locator(".asking-before button")
    assert before.all_inner_texts() == ["SELECT 1 AS one", "SELECT 2 AS two"]
    before.nth(1).click()
    expect(page.locator(".ask-answer th")).to_have_text("two")
    page.reload()
    assert before.all_inner_texts() == ["SELECT 2 AS two", "SELECT 1 AS one"]


@pytest.mark.parametrize("sql", ["", " \n", "-- nothing"])
def test_of_no_statement_the_page_says_so(page: Page, sql: str) -> None:
    editor(page).fill(sql)
    editor(page).press("Control+Enter")
    expect(status(page)).to_have_text("There is no statement to run.")
    assert page.locator(".asking-before button").all_inner_texts() == [sql] * bool(sql.strip())


def test_a_day_that_is_none_leaves_the_slider_alone(shared: Page) -> None:
    told = ask(shared, "SELECT * FROM dim_film FOR SYSTEM_TIME AS OF '2023-13-45'")
    assert told.startswith("date/time field value out of range")
    expect(shared.get_by_role("slider")).to_be_disabled()
    expect(shared.locator(".asking output")).to_have_text("– your SQL names no date")


def test_an_answer_is_saved_as_csv(page: Page) -> None:
    expect(page.get_by_role("button", name="Save as CSV")).to_be_disabled()
    ask(page, """SELECT n, CASE n WHEN 1 THEN 'a,"b"' WHEN 2 THEN '' WHEN 3 THEN E'two\\r\\nlines' WHEN 4 THEN 'é' END AS "a "",text"
              FROM generate_series(1, 30) AS n""")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    assert saved.value.suggested_filename == "answer.csv"
    raw = Path(saved.value.path()).read_bytes().decode("utf-8")
    assert raw.startswith('n,"a "",text"\r\n1,"a,""b"""\r\n2,""\r\n3,"two\r\nlines"\r\n4,é\r\n5,\r\n')
    rows = [*csv.reader(io.StringIO(raw, newline=""))]
    assert rows[1:4] == [["1", 'a,"b"'], ["2", ""], ["3", "two\r\nlines"]]
    assert len(rows) == 31  # and not only those that the table shows


def test_a_refusal_says_why_and_leaves_nothing_to_save(shared: Page) -> None:
    begin(shared, "Who won June, by the board pack?")
    assert "has no history" in ask(shared, "SELECT * FROM pg_class FOR SYSTEM_TIME AS OF '2023-07-01'")
    expect(shared.locator(".asking-chart")).to_be_hidden()
    expect(shared.get_by_role("button", name="Save as CSV")).to_be_disabled()
    assert ask(shared, "DELETE FROM fact_payment").startswith("permission denied")
    shared.get_by_role("button", name="Start again").click()
    expect(status(shared)).to_have_text(re.compile(r"^Started again in [\d.]+ s"))
    assert "42" in ask(shared, "SELECT 6 * 7 AS known")


def test_every_table_and_column_of_silver_and_gold_is_there_and_can_be_asked(shared: Page, year: Medallion) -> None:
    told = shared.evaluate("""() => [...document.querySelectorAll('.asking-side details')].map(fold =>
        [fold.dataset.name, [...fold.querySelectorAll('li button')].map(b => [b.textContent, b.title])])""")
    query = """SELECT relname, array_agg(attname::text ORDER BY attnum), array_agg(col_description(attrelid, attnum) ORDER BY attnum)
               FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
               WHERE relnamespace::regnamespace::text IN ('silver', 'gold') AND relkind IN ('r', 'p', 'v') AND NOT relispartition
               GROUP BY relname"""  # fmt: skip
    with year.warehouse.connect() as connection:
        held = {name: dict(zip(*rest, strict=True)) for name, *rest in connection.exec_driver_sql(query)}
    assert {name: [column for column, _ in columns] for name, columns in told} == {
        name: [*columns] for name, columns in held.items()}  # fmt: skip
    for name, columns in told:
        assert all(title.endswith(held[name][column]) for column, title in columns), name
        shared.locator(f".asking-side details[data-name={name}] summary").click()
        shared.get_by_role("button", name=f"Ask {name}", exact=True).click()
        assert not answer(shared).startswith(("permission", "relation", "column")), name


def test_a_column_is_written_where_the_cursor_is(shared: Page) -> None:
    editor(shared).fill("SELECT , amount")
    editor(shared).evaluate("area => area.setSelectionRange(7, 7)")
    shared.locator("details[data-name=fact_payment_current] summary").click()
    shared.locator("details[data-name=fact_payment_current] li button", has_text="payment_date").click()
    expect(editor(shared)).to_have_value("SELECT payment_date, amount")
    expect(editor(shared)).to_be_focused()
    assert shared.locator(".asking .ask-editor pre").inner_text().strip() == "SELECT payment_date, amount"


def test_the_keyboard_alone_asks(shared: Page) -> None:
    shared.get_by_role("button", name="Which film is gone?").focus()
    shared.keyboard.press("Enter")
    assert "The Undertaker's Letter" in answer(shared)
    editor(shared).focus()
    shared.keyboard.press("Control+A")
    shared.keyboard.type("SELECT 6 * 7 AS known")
    shared.keyboard.press("Control+Enter")
    expect(shared.locator(".ask-answer td")).to_have_text(["42"])
    shared.keyboard.press("Tab")
    expect(shared.get_by_role("button", name="Run", exact=True)).to_be_focused()


def test_the_server_is_the_version_that_the_page_says(shared: Page, year: Medallion) -> None:
    here = re.match(r"[\d.]+", ask(shared, "SHOW server_version").split()[1])
    with year.warehouse.connect() as connection:
        there = connection.exec_driver_sql("SHOW server_version").scalar_one().split()[0]
    said = re.search(r"It is PostgreSQL ([\d.]+\d); the chapters ran on PostgreSQL ([\d.]+\d)\.", shared.locator("article").inner_text())
    assert said
    assert here
    assert said[1] == here[0]
    if "MEDALLION_SERVER_URL" not in os.environ:
        assert said[2] == there


@loads(("light", 1280), ("light", 390), ("dark", 390), ("dark", 1280))
def test_with_answers_it_is_sound(
    site: str, offered: Offered, chromium: Browser, looks: list[tuple[str, int]]
) -> None:
    with at_page(chromium, f"{site}/{ADDRESS}", **look(*looks[0])) as page:
        page.locator(".asking-side summary").nth(1).click()
        for title in ("Whose payments made the difference?", "How did June fill up, as it was known each day?",
                      "Who won June, by the board pack?"):  # fmt: skip
            begin(page, title)
            for _, width in turned(page, looks):
                assert page.evaluate(STICKS_OUT) == [], title
                assert page.evaluate("document.documentElement.scrollWidth") <= width
        is_without_violations(page, looks)
        ask(page, "SELECT n, repeat('many words ', 400) AS long FROM generate_series(1, 30) AS n")
        for _, width in turned(page, looks):
            assert page.evaluate(STICKS_OUT) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        is_without_violations(page, looks)
        ask(page, "SELECT nothing FROM nowhere")
        is_without_violations(page, looks)


def is_without_violations(page: Page, looks: list[tuple[str, int]]) -> None:
    known: dict[str, list[str]] = {"light": [], "dark": []}
    for scheme, width in turned(page, looks):
        assert violations(page, known[scheme], only=rules((scheme, width), looks), within="article") == []


@pytest.mark.first(1)
@pytest.mark.parametrize(("asof", "store", "cents"), [
    ("2023-07-01", "5", "1014.64"), ("today", "2", "1079.10"), ("2023-07-09T09:41:29", "2", None)])
def test_the_opening_figure_leads_to_its_own_question(
    site: str, offered: Offered, window: Page, asof: str, store: str, cents: str | None
) -> None:
    with anew(window, f"{site}/book/intro.html#asof={asof}") as page:
        shown = page.locator(".drag-sql").inner_text()
        won = page.locator(".drag-row.won .who b").inner_text()
        page.get_by_role("link", name="Ask this yourself").click()
        expect(editor(page)).to_have_value(shown)
        page.get_by_role("button", name="Run", exact=True).click()
        answer(page)
        rows = [row.split("\t") for row in page.locator(".ask-answer tbody").inner_text().splitlines()]
        best = max(rows, key=lambda row: float(row[1]))
        assert best[0] == store == won.removeprefix("Store ")
        assert cents in (None, best[1])


def test_without_script_the_page_says_what_it_needs(site: str, chromium: Browser) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}/{ADDRESS}")
        expect(page.locator(".asking-not")).to_be_visible()
        expect(page.locator(".asking")).to_be_hidden()
        page.goto((SITE / ADDRESS).as_uri())
        expect(page.locator(".asking-not")).to_be_visible()


def test_nothing_of_postgresql_loads_before_a_question(site: str, offered: Offered, chromium: Browser) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/{ADDRESS}", wait_until="networkidle")
    assert not [url for url in asked if re.search(r"pglite|year-|files\.json|worker|parts|clause", url)]
    assert json.loads(page.locator(".asking script").inner_text()) == [each["sql"] for each in QUESTIONS]
    page.close()
