"""The site as `make book` left it, on a server of the test's own. `make test` builds it before."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import chromium

__all__ = ["chromium"]

SITE = Path(__file__).parents[2] / "_build" / "html"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not printed."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The URL of the built site, without a slash at its end."""
    if not (SITE / "index.html").exists():
        pytest.skip("The site is not built: make book.")
    serve = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
