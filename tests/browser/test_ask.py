"""The book's SQL, asked in the page: the same text as printed, in Chromium and in Firefox.

Under a sub-path and a strict content policy, without special headers, by keyboard alone, and with
a sentence where it can't be.
"""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomllib
from conftest import SITE, TOLD, Offered, anew, at_page, loads, look, turned, windows
from firefox import Tab, firefox
from playwright.sync_api import Browser, Page, Route, expect
from test_site import STICKS_OUT, rules, violations

__all__ = ["firefox"]

pytestmark = [pytest.mark.long(2), pytest.mark.usefixtures("patient")]

HERE = Path(__file__).parent
CHAPTER = "notebooks/03_time_travel_with_sql.html"
POPULAR = "notebooks/90_popular_sql"
ASKED = 56  # cells at least
LACKS = re.compile(r'(?:relation|schema) "([^"]+)" does not exist|(\w+) has no history')
BEFORE, AFTER = 10_000, 8_000_000  # bytes, compressed as a server does
BUSY = 0.1  # seconds of a task on the page's own thread
TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
POLICY = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"

Told = list[tuple[str, list[list[str]] | None, list[list[str]] | None, str | None]]

# Runs every cell that can be asked, and tells of each what it says, both tables and what is refused.
RUN_ALL = """(async () => {
    const read = table => table && [table.tHead, table.tBodies[0]].flatMap(part =>
        [...part.rows].map(row => [...row.cells].map(cell => cell.textContent)))
    const soon = async look => {
        for (const end = performance.now() + 90000; performance.now() < end;) {
            if (look()) return look()
            await new Promise(done => setTimeout(done, 20))
        }
    }
    const told = []
    for (const cell of document.querySelectorAll('.tag_ask')) {
        const printed = read(cell.querySelector('.cell_output table.sql-result'))
        cell.querySelector('.ask-here').click()
        await soon(() => cell.querySelector('.ask-answer > *'))
        const asked = read(cell.querySelector('.ask-answer table'))
        const refused = cell.querySelector('.ask-refused')?.textContent
        const status = cell.querySelector('.ask-status').textContent
        told.push([status, asked ?? null, printed ?? null, refused ?? null])
    }
    return told
})()"""


# Whether the text that is edited lies exactly over the same text in colour.
OVERLAID = """() => [...document.querySelectorAll('.ask-editor')].map(editor => {
    const [under, area] = ['pre', 'textarea'].map(name => editor.querySelector(name))
    const look = e => [e.getBoundingClientRect().toJSON(), getComputedStyle(e).font]
    return area.scrollHeight <= area.clientHeight + 1 &&
        JSON.stringify(look(under)) === JSON.stringify(look(area))
})"""


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[Page]:
    with windows(chromium) as opened:
        yield opened


@pytest.fixture
def chapter(site: str, offered: Offered, chromium: Browser) -> Iterator[Page]:
    """A chapter, in a window of its own, whose clock and network a test may change."""
    with at_page(chromium, f"{site}/{CHAPTER}") as page:
        yield page


@pytest.fixture(scope="module")
def started(site: str, offered: Offered, chromium: Browser) -> Iterator[Page]:
    with at_page(chromium, f"{site}/{CHAPTER}") as page:
        yield page


@pytest.fixture
def reopened(started: Page) -> Iterator[Page]:
    """The chapter for tests that leave its PostgreSQL as it was, and so share it; no cell is open."""
    yield started
    while started.get_by_role("button", name="Close").count():
        started.get_by_role("button", name="Close").first.click()


def is_answered_as_in_the_notebook(told: Told, statements: list[dict[str, Any]]) -> None:
    """Whether that showed its answer, kept it, was refused, or had none to show."""
    for (status, asked, printed, refused), known in zip(told, statements, strict=True):
        table = known["table"]
        assert asked == (table and [table["names"], *table["rows"]]), known["sql"]
        assert refused == known["refused"], known["sql"]
        assert printed in (None, asked)
        end = "Refused." if refused else "the same as printed." if printed else "ms."
        assert status.endswith(end), status


# make test asks those of one chapter, here and in Firefox of another; in Node, the build has asked them all.
@pytest.mark.parametrize("pages", [
    pytest.param([CHAPTER.removesuffix(".html")], id="one"), pytest.param([], id="all", marks=pytest.mark.slow)])
def test_every_cell_answers_in_chromium_as_in_the_notebook(
    site: str, offered: Offered, window: Page, pages: list[str], record_property: Callable[[str, object], None]
) -> None:
    for name in pages or offered:
        with anew(window, f"{site}/{name}.html") as page:
            is_answered_as_in_the_notebook(page.evaluate(RUN_ALL), offered[name])
    record_property("cells asked in the page", sum(len(offered[name]) for name in pages or offered))
    assert sum(map(len, offered.values())) >= ASKED


@pytest.mark.parametrize("pages", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_every_cell_answers_in_firefox_as_in_the_notebook(
    site: str, offered: Offered, firefox: Tab, pages: int | None
) -> None:
    for name, statements in [*offered.items()][:pages]:
        firefox.goto(f"{site}/{name}.html")
        is_answered_as_in_the_notebook(firefox.evaluate(RUN_ALL), statements)


def test_a_cell_first_runs_those_that_it_needs(
    site: str, offered: Offered, window: Page
) -> None:
    with anew(window, f"{site}/{POPULAR}.html") as page:
        statements = offered[POPULAR]
        at = next(at for at, each in enumerate(statements) if "'This book' AS form" in each["sql"])
        cell = page.locator(".tag_ask").nth(at)
        cell.get_by_role("button", name=f"Run here: cell {at + 1}").click()
        expect(cell.locator(".ask-answer table")).to_be_visible()
        texts = [text for row in statements[at]["table"]["rows"] for text in row]
        assert cell.locator(".ask-answer tbody td").all_inner_texts() == texts
        first = [statements[need]["sql"].partition("\n")[0] for need in statements[at]["needs"]]
        assert len(first) == 2
        assert cell.locator(".ask-label").first.inner_text() == f"First ran: {'; '.join(first)}"
        needed = page.locator(".tag_ask").nth(statements[at]["needs"][0])
        needed.get_by_role("button", name="Run here").click()
        status = needed.locator(".ask-status")
        expect(status).to_have_text("This has run already: start again to undo it.")
        needed.get_by_role("button", name="Start again").click()
        expect(status).to_contain_text("Started again")
        needed.get_by_role("button", name="Run", exact=True).click()
        expect(needed.locator(".ask-answer")).to_have_text("CREATE FUNCTION")


def test_each_other_cell_has_its_reason(offered: Offered) -> None:
    """A cell that loses its button has to be written down, with why, and with what the page lacks."""
    told = json.loads(TOLD.read_text(encoding="utf-8"))["left"]
    left = {page.removeprefix("notebooks/"): cells for page, cells in told.items()}
    known = tomllib.loads((HERE / "not_asked.toml").read_text(encoding="utf-8"))
    assert {page: [*cells] for page, cells in left.items()} == {page: [*cells] for page, cells in known.items()}
    for page, cells in left.items():
        for cell, why in cells.items():
            assert all(name in known[page][cell] for found in LACKS.findall(why) for name in found), (page, cell, why)


class _Strict(http.server.SimpleHTTPRequestHandler):
    """The site under a path, as plainly as a server can, with a content policy."""

    asked: list[str]

    def __init__(self, *arguments: object, asked: list[str], **options: object) -> None:
        self.asked = asked
        super().__init__(*arguments, **options)

    def translate_path(self, path: str) -> str:
        self.asked.append(path)
        return super().translate_path(path.removeprefix("/some/where"))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not printed."""


@pytest.fixture
def strict() -> Iterator[tuple[str, list[str]]]:
    """The URL of the site on a strict server, and the paths that it is asked for."""
    asked: list[str] = []
    serve = functools.partial(_Strict, directory=str(SITE), asked=asked)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/where", asked
        server.shutdown()


def weight(paths: list[str]) -> int:
    """Of the files, each once and compressed as a server does."""
    files = {SITE / path.removeprefix("/some/where/").partition("?")[0] for path in paths}
    sizes = (each.stat().st_size if each.suffix == ".gz" else len(gzip.compress(each.read_bytes()))
             for each in files if each.is_file())  # fmt: skip
    return sum(sizes)


def test_it_costs_little_before_a_click_and_eight_megabytes_after(
    strict: tuple[str, list[str]], offered: Offered, chromium: Browser,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    url, asked = strict
    with chromium.new_context() as context:
        page = context.new_page()
        hosts: set[str] = set()
        context.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(f"{url}/{CHAPTER}", wait_until="networkidle")
        button = page.locator(".ask-here").first
        expect(button).to_be_visible()
        ours = [path for path in asked if "_static/ask/" in path]
        inline = gzip.compress(page.locator("#ask-cells").inner_text().encode())
        before = weight(ours) + len(inline)
        began = page.evaluate("performance.now()")
        button.click()
        expect(page.locator(".ask-answer table")).to_be_visible()
        record_property("milliseconds to a first answer", page.evaluate("performance.now()") - began)
        record_property("bytes before a click", before)
        record_property("bytes after a click", weight(asked))
        assert before < BEFORE
        assert weight(asked) < AFTER
        assert hosts == {url.split("/")[2]}


def busiest(browser: Browser, page: Page, act: Callable[[], object]) -> float:
    """Seconds of the page's longest task during that, but for those that playwright has it do.

    By the time that its thread works: on a busy machine it may wait for longer.
    """
    browser.start_tracing(page=page, categories=TRACED)
    act()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mine = {(each["pid"], each["tid"]) for each in events
            if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"}  # fmt: skip
    done = [each for each in events if (each["pid"], each["tid"]) in mine and "tdur" in each]
    driven = [each["ts"] for each in done if "DevToolsSession" in str(each.get("args"))]
    busy = [task["tdur"] / 1e6 for task in done if task["name"] == "RunTask"
            and not any(task["ts"] <= ts <= task["ts"] + task["dur"] for ts in driven)]  # fmt: skip
    assert len(busy) > 10
    return max(busy)


def test_the_page_itself_is_never_busy_for_long(
    chapter: Page, chromium: Browser, record_property: Callable[[str, object], None]
) -> None:
    def start() -> None:
        chapter.locator(".ask-here").first.click()
        expect(chapter.locator(".ask-answer table")).to_be_visible()

    expect(chapter.locator(".ask-here").first).to_be_visible()  # what playwright adds is in the page
    busy = busiest(chromium, chapter, start)
    record_property("milliseconds that the page is busy at most", round(1000 * busy))
    assert busy < BUSY


def ask(page: Page, sql: str, at: int = 0) -> str:
    """What the editor's cell shows for it."""
    cell = page.locator(".tag_ask").nth(at)
    area = cell.get_by_role("textbox")
    area.fill(sql)
    area.press("Control+Enter")
    expect(cell.locator(".ask-status")).to_have_text(re.compile(r"^(Answered here|Refused)"))
    expect(cell.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    return cell.locator(".ask-answer").inner_text()


def open_editors(page: Page, count: int) -> None:
    for at in range(count):
        cell = page.locator(".tag_ask").nth(at)
        cell.get_by_role("button", name=f"Run here: cell {at + 1}").click()
        expect(cell.locator(".ask-status")).to_contain_text("the same as printed")


def test_history_is_not_written(reopened: Page) -> None:
    open_editors(reopened, 1)
    for sql in ("UPDATE silver.dim_customer_hist SET email = ''", "DELETE FROM fact_payment",
                "INSERT INTO dim_film_hist DEFAULT VALUES", "TRUNCATE fact_rental"):  # fmt: skip
        assert ask(reopened, sql).startswith("permission denied for table"), sql


def test_what_was_destroyed_is_back_after_starting_again(
    reopened: Page, record_property: Callable[[str, object], None]
) -> None:
    open_editors(reopened, 1)
    first = reopened.locator(".tag_ask").first
    sql, answer = first.get_by_role("textbox").input_value(), first.locator("table").first.inner_text()
    ask(reopened, "RESET ROLE; DROP SCHEMA silver CASCADE; DROP SCHEMA gold CASCADE")
    assert "does not exist" in ask(reopened, "SELECT count(*) FROM silver.dim_customer_hist")
    first.get_by_role("button", name="Start again").click()
    status = first.locator(".ask-status")
    expect(status).to_have_text(re.compile(r"^Started again in [\d.]+ s"))
    record_property("starting again", status.inner_text())
    assert answer in ask(reopened, sql)


def test_the_statement_is_shown_as_it_was_sent_and_the_printed_answer_stays(reopened: Page) -> None:
    open_editors(reopened, 1)
    first = reopened.locator(".tag_ask").first
    printed = first.locator(".cell_output")
    assert "dim_customer_hist__as_of('2023-07-01')" in first.locator(".ask-answer pre").inner_text()
    expect(printed).to_be_visible()
    ask(reopened, "SELECT 'another' AS answer")
    expect(printed).to_be_hidden()
    first.get_by_text("As printed", exact=True).click()
    expect(printed).to_be_visible()
    assert "has no history" in ask(reopened, "SELECT * FROM pg_class FOR SYSTEM_TIME AS OF '2023-07-01'")
    first.get_by_role("button", name="Close").click()
    expect(first.locator(".cell_input")).to_be_visible()
    expect(printed).to_be_visible()
    expect(first.get_by_role("button", name="Run here")).to_be_focused()


# As tests/book/test_exact_cells.py has them in a notebook.
SHOWN = {
    "timestamptz 'infinity'": "infinity", "timestamptz '-infinity'": "-infinity",
    "timestamptz '2023-07-01 12:00:00.25'": "2023-07-01 12:00:00",
    "timestamptz '0044-03-15 BC'": "0044-03-15 00:00:00+00 BC",
    "timestamptz '12023-01-01'": "12023-01-01 00:00:00+00",
    "timestamptz '9999-12-31 23:59:59.999999'": "9999-12-31 23:59:59.999999+00",
    "timestamp '2023-07-01 12:00:00.25'": "2023-07-01 12:00:00.25", "date '0044-03-15 BC'": "0044-03-15 BC",
    "true": "true", "null": "null", "1.50": "1.50", "'NaN'::float8": "NaN", "1e15::float8": "1e+15",
    "'1 day 2 hours'::interval": "1 day 02:00:00", "'{1,2}'::int[]": "{1,2}", "ARRAY[true, NULL]": "{t,NULL}",
    "'{\"a\": 1}'::jsonb": '{"a": 1}', "'a'::\"char\"": "a", "'\\x00'::bytea": "\\x00", "'ä€𝄞'": "ä€𝄞",
    "tstzrange('2023-07-01', NULL)": '["2023-07-01 00:00:00+00",)',
}  # fmt: skip


def test_values_are_shown_as_in_a_notebook(reopened: Page) -> None:
    open_editors(reopened, 1)
    ask(reopened, f"SELECT {', '.join(SHOWN)}")
    texts = reopened.locator(".tag_ask").first.locator(".ask-answer td").all_inner_texts()
    assert dict(zip(SHOWN, texts, strict=True)) == SHOWN
    ask(reopened, "SELECT timestamptz '2023-07-01 00:00:00.5' AS at UNION ALL SELECT '2023-07-01' ORDER BY 1")
    texts = reopened.locator(".tag_ask").first.locator(".ask-answer td").all_inner_texts()
    assert texts == ["2023-07-01 00:00:00", "2023-07-01 00:00:00.5"]  # two that would look alike


def test_the_keyboard_alone_asks(reopened: Page) -> None:
    first = reopened.locator(".tag_ask").first
    first.get_by_role("button", name="Run here").focus()
    reopened.keyboard.press("Enter")
    expect(first.get_by_role("textbox")).to_be_focused()
    expect(first.locator(".ask-status")).to_contain_text("the same as printed")
    reopened.keyboard.press("Control+A")
    reopened.keyboard.type("SELECT 6 * 7 AS known")
    reopened.keyboard.press("Control+Enter")
    expect(first.locator(".ask-answer td")).to_have_text(["42"])
    reopened.keyboard.press("Tab")
    expect(first.get_by_role("button", name="Run", exact=True)).to_be_focused()


@loads(("light", 1280), ("light", 390), ("dark", 390))
def test_five_editors_are_sound(
    site: str, offered: Offered, chromium: Browser, looks: list[tuple[str, int]]
) -> None:
    with at_page(chromium, f"{site}/{CHAPTER}", **look(*looks[0])) as page:
        open_editors(page, 5)
        ask(page, "SELECT 'another' AS answer", 3)
        ask(page, "SELECT nothing FROM nowhere", 4)
        known: dict[str, list[str]] = {"light": [], "dark": []}
        for scheme, width in turned(page, looks):
            assert violations(page, known[scheme], only=rules((scheme, width), looks)) == []
            assert page.evaluate(STICKS_OUT) == []
            assert page.evaluate(OVERLAID) == [True] * 5
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def refusal(page: Page) -> str:
    page.locator(".ask-here").first.click()
    told = page.locator(".tag_ask").first.locator(".ask-refused, p.ask-status")
    expect(told).to_be_visible()
    expect(page.locator(".tag_ask .cell_output").first).to_be_visible()
    return told.inner_text()


def test_without_webassembly_a_sentence_says_so(chapter: Page) -> None:
    chapter.add_init_script("delete window.WebAssembly")
    chapter.reload()
    assert refusal(chapter) == "This browser has no WebAssembly, in which PostgreSQL would run."


def test_a_page_opened_as_a_file_says_so(
    offered: Offered, chromium: Browser
) -> None:
    page = chromium.new_page()
    page.goto((SITE / CHAPTER).as_uri())
    assert refusal(page).startswith("A page opened as a file can't run SQL.")
    page.close()


@pytest.mark.first(1)
@pytest.mark.parametrize("lost", ["files.json", "session.js", "worker.js", "parts.js", "pglite-*.wasm.gz",
                                  "pglite-*.data.gz", "year-*.gz"])
def test_what_does_not_load_is_said_and_can_be_tried_again(chapter: Page, lost: str) -> None:
    address = f"**/ask/{lost}*"
    chapter.context.route(address, lambda route: route.abort())
    assert len(refusal(chapter)) > 20
    chapter.context.unroute(address)
    if lost == "session.js":  # a browser asks for a module that failed no second time
        chapter.reload()
        chapter.locator(".ask-here").first.click()
    else:
        chapter.locator(".ask-bar").get_by_role("button", name="Run", exact=True).click()
    expect(chapter.locator(".ask-status").first).to_contain_text("the same as printed")


@pytest.mark.slow
def test_a_server_that_can_not_start_says_so(chapter: Page) -> None:
    def poor(route: Route) -> None:
        body = "export async function start() { throw new RangeError('no memory left'); }"
        route.fulfill(body=body, content_type="text/javascript")

    chapter.context.route("**/ask/engine.js*", poor)
    assert "no memory left" in refusal(chapter)


def test_an_answer_that_never_comes_is_given_up(chapter: Page) -> None:
    open_editors(chapter, 1)
    first = chapter.locator(".tag_ask").first
    chapter.clock.install()
    area = first.get_by_role("textbox")
    area.fill("WITH RECURSIVE on_and_on AS (SELECT 1 UNION ALL SELECT 1 FROM on_and_on)"
              " SELECT count(*) FROM on_and_on")  # fmt: skip
    area.press("Control+Enter")
    expect(first.locator(".ask-status")).to_have_text("Asking … “Start again” stops it.")
    chapter.clock.fast_forward(61_000)
    expect(first.locator(".ask-refused")).to_contain_text("No answer came")
    first.get_by_role("button", name="Start again").click()
    expect(first.locator(".ask-status")).to_contain_text("Started again")
    assert "42" in ask(chapter, "SELECT 6 * 7 AS known")
