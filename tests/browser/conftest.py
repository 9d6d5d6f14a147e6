"""The site as `make book` left it, on a server of the test's own. `make test` builds it before."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from playwright.sync_api import Browser, Error, Page, expect

__all__ = ["chromium"]

SITE = Path(__file__).parents[2] / "_build" / "html"
TOLD = SITE.parents[1] / ".book" / "ask.json"
PATIENCE = 90_000  # milliseconds, on a machine with other work
Offered = dict[str, list[dict[str, Any]]]
BASE = re.compile(r'<base href="/(.*)" />')


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Serves as GitHub Pages does: under the path the site was built for, its 404 for the rest.

    A page itself is asked for each time, so that how soon it paints is never its cache's doing.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, base: str, **options: object) -> None:
        self.base = base
        super().__init__(*args, **options)

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(self.base))

    def end_headers(self) -> None:
        is_page = self.path.partition("?")[0].endswith((".html", "/"))
        self.send_header("Cache-Control", "no-cache" if is_page else "max-age=600")
        super().end_headers()

    def send_error(self, code: int, *_: object) -> None:
        missing = (SITE / "404.html").read_bytes() if code == HTTPStatus.NOT_FOUND else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(missing)))
        self.end_headers()
        self.wfile.write(missing)

    def log_message(self, *_: object) -> None:
        """Requests are not printed."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The URL of the built site, without a slash at its end."""
    if not (SITE / "index.html").exists():
        pytest.skip("The site is not built: make book.")
    found = BASE.search((SITE / "404.html").read_text(encoding="utf-8"))
    base = f"/{found[1]}".rstrip("/") if found else ""
    serve = functools.partial(_Pages, directory=str(SITE), base=base)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{base}"
        server.shutdown()


@pytest.fixture(scope="module")
def patient() -> Iterator[None]:
    """A first answer takes seconds, and more where other tests run beside."""
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="session")
def offered() -> Offered:
    """The statements that the build found a page to answer as the notebooks did, by page."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node is not installed, so no page can be asked.")
    if not (SITE / "index.html").exists():
        pytest.skip("The site is not built: make book.")
    assert TOLD.exists(), "make book says why"
    return json.loads(TOLD.read_text(encoding="utf-8"))["offered"]


@contextmanager
def windows(browser: Browser, **options: object) -> Iterator[Page]:
    """A window in a context of its own, which has these options."""
    with browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}) as context:
        window = context.new_page()
        window.set_default_timeout(PATIENCE)
        yield window


@contextmanager
def at_page(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """A page in a context of its own, which has these options; no error may be left in it."""
    with windows(browser, **options) as window, anew(window, url) as page:
        yield page


@contextmanager
def anew(window: Page, url: str) -> Iterator[Page]:
    """The page, loaded anew in a window that has shown others; no error may be left in it.

    That takes a third of what a new window takes. A test that sets a clock, routes or scripts needs
    a window of its own, where they stay.
    """
    failures: list[str] = []

    def note(error: Error) -> None:
        failures.append(error.stack or error.message)

    window.goto("about:blank")
    window.on("pageerror", note)
    window.goto(url)
    yield window
    window.remove_listener("pageerror", note)
    assert failures == []


def loads(*looks: tuple[str, int]) -> pytest.MarkDecorator:
    """A page is looked at in two of these that share neither scheme nor width; to prove it, in each."""
    other = next(look for look in looks if not set(look) & set(looks[0]))
    each = [pytest.param([look], id="-".join(map(str, look)), marks=pytest.mark.slow) for look in looks]
    return pytest.mark.parametrize("looks", [pytest.param([looks[0], other], id="one load"), *each])


def look(scheme: str, width: int) -> dict[str, Any]:
    """What a context is made with that begins so."""
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 800}, "reduced_motion": "reduce"}


def turned(page: Page, looks: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Each of the looks in turn, as the page has it."""
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        yield scheme, width
