"""Where a page that asks comes to its limits: a slow line, little memory, long answers, none at all."""

from __future__ import annotations

import csv
import functools
import gzip
import http.server
import mimetypes
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
from chromium import launched
from conftest import PATIENCE, SITE, Offered
from playwright.sync_api import Browser, Page, expect
from test_ask import BUSY, CHAPTER, busiest
from test_ask_page import ADDRESS, MOVE, ask, editor, status

import ask as asking
from ask import cells

pytestmark = pytest.mark.usefixtures("patient")

SOURCES, BUILT = SITE.parents[1] / "book" / "_static" / "ask", SITE.parents[1] / ".book"

RATE, LATENCY = 20e6 / 8, 0.02  # bytes a second; seconds that each request waits
TEXTS = (".css", ".html", ".js", ".json", ".svg")
MANY = 100_000
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 1000000) AS b"
HUGE = 590_000  # characters
# Answers that held the page for long when they were shown at once.
LARGE = {
    "a value": f"SELECT repeat('word and more ', {HUGE // 14})",
    "a value without a space": f"SELECT repeat('x', {HUGE})",
    "many values": f"SELECT repeat('word and more ', {HUGE // 14}) FROM generate_series(1, 20)",
    "many columns": f"SELECT {', '.join('1' * 1600)} FROM generate_series(1, 20)",
    "many rows": "SELECT * FROM fact_payment_current",
    "a complaint": f"SELECT nothing, '{'word ' * 20_000}'",
}
POOR = 1024  # pages of 64 kB that WebAssembly may have at most; PostgreSQL begins with 2048
# Clicks, and tells how many seconds the answer took to be there.
FIRST = """async () => {
    const began = performance.now()
    document.querySelector('.ask-here').click()
    while (!document.querySelector('.ask-answer table')) await new Promise(done => setTimeout(done, 5))
    return (performance.now() - began) / 1000
}"""
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
WORST = """() => {
    globalThis.worst = 0
    new PerformanceObserver(list => { for (const each of list.getEntries()) worst = Math.max(worst, each.duration) })
        .observe({ entryTypes: ['longtask'] })
}"""


class _Line:
    """So many bytes a second for all who send on it."""

    def __init__(self) -> None:
        self._lock, self._free, self.sent = threading.Lock(), 0.0, 0

    def wait(self, count: int) -> None:
        with self._lock:
            self._free = max(self._free, time.monotonic()) + count / RATE
            self.sent += count
            until = self._free
        time.sleep(max(0.0, until - time.monotonic()))


class _Slow(http.server.BaseHTTPRequestHandler):
    """The site over a line of 20 Mbit/s, texts compressed as servers do."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, line: _Line, **options: object) -> None:
        self.line = line
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        path = SITE / self.path.lstrip("/").partition("?")[0]
        time.sleep(LATENCY)
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if path.is_file() else 404)
        self.send_header("Content-Type", mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        if path.suffix in TEXTS:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for at in range(0, len(content), 16_384):
            part = content[at : at + 16_384]
            self.line.wait(len(part))
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Requests are not printed."""


@pytest.fixture
def slow() -> Iterator[tuple[str, _Line]]:
    """The URL of the site over a line of 20 Mbit/s, and the line."""
    line = _Line()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Slow, line=line)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", line
        server.shutdown()


@pytest.fixture(scope="module")
def page(site: str, offered: Offered, chromium: Browser) -> Iterator[Page]:
    """The page "Ask it yourself", which its tests share; no error may be left in it."""
    with chromium.new_context(accept_downloads=True) as context:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE)
        failures: list[str] = []
        opened.on("pageerror", lambda error: failures.append(error.stack or error.message))
        opened.goto(f"{site}/{ADDRESS}")
        yield opened
        assert failures == []


def first_answer(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds of the printed page until it has loaded, and of its first answer."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/{CHAPTER}", wait_until="networkidle")
        expect(page.locator(".ask-here").first).to_be_visible()
        return page.evaluate(LOADED), page.evaluate(FIRST)


def test_over_a_line_of_20_megabit_a_first_answer_waits_for_little_but_the_line(
    site: str, slow: tuple[str, _Line], offered: Offered, chromium: Browser,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    """On a quiet machine under five seconds, of which the line takes three."""
    url, line = slow
    printed_here, here = first_answer(chromium, site)
    printed, over = first_answer(chromium, url)
    least = line.sent / RATE
    record_property("seconds to a first answer, over 20 Mbit/s", round(over, 2))
    record_property("seconds to a first answer, without a line", round(here, 2))
    record_property("seconds that the line takes at least", round(least, 2))
    record_property("a first answer by the printed page, over 20 Mbit/s", round(over / printed, 1))
    record_property("a first answer by the printed page", round(here / printed_here, 1))
    assert over + printed > least * 0.8  # so it was a line of that kind
    assert over < 1.5 * (least + here)
    assert over < 15 * printed


def test_a_step_of_the_slider_takes_a_small_part_of_a_start(
    page: Page, record_property: Callable[[str, object], None]
) -> None:
    ask(page, "SELECT store_id, total_revenue FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '2023-07-01'"
              " WHERE revenue_month = '2023-06-01'")  # fmt: skip
    again = starts_again(page)
    step = median(page.evaluate(MOVE, 9)) / 1000
    record_property("seconds to start again", again)
    record_property("a step by a start", round(step / again, 3))
    assert step < again / 3


def starts_again(page: Page) -> float:
    page.get_by_role("button", name="Start again").click()
    expect(status(page)).to_have_text(re.compile(r"^Started again in [\d.]+ s"))
    return float(re.search(r"[\d.]+", status(page).inner_text())[0])


def test_a_long_answer_keeps_the_page_free_and_is_saved_whole(
    page: Page, record_property: Callable[[str, object], None]
) -> None:
    page.evaluate(WORST)
    told = ask(page, f"SELECT n, 'row ' || n AS name, now() AS at FROM generate_series(1, {MANY}) AS n")
    expect(page.locator(".ask-answer caption")).to_have_text("20 of 100,000 rows")
    assert told.count("row ") == 20
    assert status(page).inner_text().startswith("100,000 rows in ")
    record_property("milliseconds of the longest task of an answer of 100,000 rows", page.evaluate("worst"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    with Path(saved.value.path()).open(encoding="utf-8", newline="") as file:
        rows = [*csv.reader(file)]
    assert len(rows) == 1 + MANY
    assert rows[-1][:2] == [str(MANY), f"row {MANY}"]


@pytest.mark.parametrize("about", LARGE)
def test_a_large_answer_is_shown_in_pieces(page: Page, chromium: Browser, about: str) -> None:
    def show() -> None:
        ask(page, LARGE[about])
        for _ in range(2):
            page.evaluate("setTimeout(() => document.querySelector('.ask-more')?.click())")
            page.wait_for_timeout(200)

    assert busiest(chromium, page, show) < BUSY


def test_of_a_large_value_all_can_be_read_and_saved(page: Page) -> None:
    text = "".join(f"{n}😀" for n in range(9_000))  # which no piece may end in
    ask(page, "SELECT string_agg(n || '😀', '' ORDER BY n) AS large, 'beside' FROM generate_series(0, 8999) AS n")
    more = page.locator(".ask-more")
    expect(more).to_have_text(re.compile(r"^[\d,]+ more characters$"))
    while more.count():
        more.click()
    assert page.locator(".ask-answer td").first.evaluate("cell => cell.textContent") == text
    ask(page, f"SELECT repeat('x', {HUGE}) AS large")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    assert Path(saved.value.path()).stat().st_size == len("large\r\n") + HUGE + len("\r\n")


def test_rows_that_are_not_shown_can_be(page: Page) -> None:
    lines = ask(page, "SELECT repeat(' ', n % 3) || n FROM generate_series(1, 63) AS n").splitlines()
    assert lines[-1] == "Show 43 more rows"
    page.get_by_role("button", name="Show 43 more rows").click()
    texts = page.locator(".ask-answer td").evaluate_all("cells => cells.map(cell => cell.innerText)")
    assert texts == [" " * (n % 3) + str(n) for n in range(1, 64)]  # a plan's lines keep their spaces
    expect(page.locator(".ask-answer caption")).to_have_count(0)
    ask(page, f"SELECT * FROM generate_series(1, {MANY})")
    while page.locator(".ask-more").count():
        page.locator(".ask-more").click()
    expect(page.locator(".ask-answer caption")).to_have_text("400 of 100,000 rows")
    expect(page.locator(".ask-answer td")).to_have_count(400)


def test_of_a_long_line_a_complaint_shows_what_is_near(page: Page) -> None:
    told = ask(page, f"SELECT '{'a' * 5_000}', nothing, '{'b' * 5_000}'").splitlines()
    assert told[0] == 'column "nothing" does not exist'
    assert told[1] == f"LINE 1: ...{'a' * 97}', nothing, '{'b' * 90}..."
    assert told[2].index("^") == told[1].index("nothing")


def test_of_a_long_answer_the_page_is_sent_its_beginning(page: Page) -> None:
    told = page.evaluate(f"""async () => {{
        const {{ open }} = await import('../_static/ask/session.js')
        const {{ rows, count, csv }} = await (await open()).ask('SELECT * FROM generate_series(1, {MANY})')
        return [rows.length, count, csv.size]
    }}""")
    assert told == [400, MANY, len("generate_series\r\n") + sum(len(f"{n}\r\n") for n in range(1, MANY + 1))]


def test_of_many_that_are_asked_at_once_each_has_its_own_answer(page: Page) -> None:
    told = page.evaluate("""async () => {
        const { open } = await import('../_static/ask/session.js')
        const session = await open()
        const asked = Array.from({ length: 12 }, (_, n) => session.ask(`SELECT ${n} / (${n} % 4)`))
        return (await Promise.allSettled(asked)).map(({ value, reason }) => value?.rows[0][0] ?? reason.message)
    }""")
    assert told == ["division by zero" if n % 4 == 0 else str(n // (n % 4)) for n in range(12)]


def test_a_query_that_never_ends_is_stopped_and_the_next_is_answered(page: Page) -> None:
    editor(page).fill(ENDLESS)
    editor(page).press("Control+Enter")
    expect(status(page)).to_have_text("Asking … “Start again” stops it.")
    page.get_by_role("button", name="Which film is gone?").click()  # which waits
    page.get_by_role("button", name="Start again").click()
    expect(page.locator(".ask-answer tbody tr").first).to_contain_text("The Undertaker's Letter")
    ask(page, "SELECT 6 * 7 AS known")
    editor(page).fill(ENDLESS)
    editor(page).press("Control+Enter")
    expect(status(page)).to_contain_text("stops it")
    starts_again(page)
    expect(page.locator(".ask-answer")).to_have_text("Stopped: the session was started again.")
    assert "42" in ask(page, "SELECT 6 * 7 AS known")


def test_a_view_of_ones_own_is_asked_by_its_query(page: Page) -> None:
    ask(page, "CREATE VIEW vw_homes AS SELECT store_id, count(*) AS customers FROM dim_customer GROUP BY store_id")
    told = ask(page, "SELECT * FROM vw_homes FOR SYSTEM_TIME AS OF '2023-07-01'")
    assert told.startswith("vw_homes has no history.")
    assert told.splitlines()[-1] == (
        "This page has no lab. Ask a view of your own by its query, with the clause after each table in it.")
    ask(page, "SELECT store_id, count(*) AS customers FROM dim_customer FOR SYSTEM_TIME AS OF '2023-07-01'"
              " GROUP BY store_id HAVING store_id = 5")  # fmt: skip
    store, customers = page.locator(".ask-answer tbody td").all_inner_texts()
    assert store == "5"
    assert int(customers) > 50


def test_little_memory_is_said_and_the_answers_stay_printed(
    site: str, offered: Offered, chromium: Browser
) -> None:
    with launched(chromium.browser_type, f"--js-flags=--wasm-max-mem-pages={POOR}") as poor:
        page = poor.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{site}/{CHAPTER}")
        page.locator(".ask-here").first.click()
        told = page.locator(".ask-refused").first
        expect(told).to_contain_text("could not allocate memory")
        expect(told).to_contain_text("It takes 130 MB of memory. Close other pages and programs, and try again")
        expect(page.locator(".tag_ask .cell_output").first).to_be_visible()


def test_a_pointer_over_the_button_loads_its_script_and_nothing_of_postgresql(
    site: str, offered: Offered, chromium: Browser
) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    page.goto(f"{site}/{CHAPTER}", wait_until="networkidle")
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(re.compile("session.js")):
        page.locator(".ask-here").first.hover()
    assert not [url for url in asked if re.search(r"pglite|year-|files\.json|worker|parts|clause", url)]
    page.close()


@pytest.mark.slow
def test_a_site_that_was_built_without_node_has_no_buttons_and_says_so(
    tmp_path: Path, offered: Offered, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(BUILT, copy, symlinks=True)
    (copy / "ask.json").unlink()
    for notebook in copy.glob("notebooks/*.ipynb"):
        notebook.write_text(notebook.read_text("utf-8").replace(f'"{cells.TAG}"', '"not-asked"'), "utf-8")
    shutil.rmtree(copy / "book" / "_static" / "ask")
    shutil.copytree(SOURCES, copy / "book" / "_static" / "ask")
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        told = asking.make(copy, asking.prepared(None, tmp_path / "cache"))  # before it needs a lab
    assert told == "The pages have no buttons that run SQL: Node is not installed."
    build = [Path(sys.executable).with_name("jupyter-book"), "build", "-q", "-W", "-n", "--keep-going"]
    subprocess.run([*build, "--path-output", tmp_path, copy], check=True, capture_output=True)
    site = tmp_path / "_build" / "html"
    pages = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    assert CHAPTER in pages
    script = re.compile(r'<script[^>]*(?:ask/\w+\.js|id="ask-cells")')
    assert [name for name, text in pages.items() if script.search(text)] == []
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/{ADDRESS}")
        expect(page.locator(".asking-not")).to_contain_text("when the book was built where there is Node")
        expect(page.locator(".asking")).to_be_hidden()
        page.goto(f"http://127.0.0.1:{server.server_port}/{CHAPTER}")
        expect(page.locator(".cell_output").first).to_be_visible()
        expect(page.get_by_role("button", name="Run here")).to_have_count(0)
        page.close()
        server.shutdown()
