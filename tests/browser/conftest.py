"""The site as `make book` left it, on a server of the test's own. `make test` builds it before."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from chromium import chromium

__all__ = ["chromium"]

SITE = Path(__file__).parents[2] / "_build" / "html"
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
