"""The system's Firefox, headless, by WebDriver BiDi: playwright drives only a Firefox of its own."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

NAMES = ("firefox-esr", "firefox")
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
QUIET = ("app.normandy.enabled", "app.update.auto", "datareporting.policy.dataSubmissionEnabled")
PATIENCE = 120  # seconds for an answer


class Tab:
    """One tab: go to a page, and evaluate an expression in it."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=PATIENCE, suppress_origin=True
        )
        self._ids = itertools.count(1)
        self._send("session.new", capabilities={})
        self._context = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def goto(self, url: str) -> None:
        self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """What the expression, or the promise that it is, comes to, by way of JSON."""
        target = {"context": self._context}
        written = f"Promise.resolve({expression}).then(JSON.stringify)"
        told = self._send("script.evaluate", expression=written, target=target, awaitPromise=True)
        assert told["type"] == "success", told["exceptionDetails"]["text"]
        return json.loads(told["result"]["value"])

    def close(self) -> None:
        self._send("browser.close")
        self._socket.close()

    def _send(self, method: str, **parameters: object) -> Any:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:  # events come between
            told = json.loads(self._socket.recv())
            if told.get("id") == number:
                assert told["type"] == "success", told
                return told["result"]


@pytest.fixture(scope="session")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A tab of the installed Firefox. A test that asks for it is skipped where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"None of {', '.join(NAMES)} is installed.")
    home = tmp_path_factory.mktemp("firefox")
    (home / "user.js").write_text("".join(f'user_pref("{name}", false);\n' for name in QUIET))
    command = [path, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port", "0"]
    log = home / "log"
    with log.open("w") as told, subprocess.Popen([*command, "about:blank"], stderr=told) as browser:
        tab = Tab(_address(browser, log))
        yield tab
        tab.close()
        browser.wait(PATIENCE)


def _address(browser: subprocess.Popen[bytes], log: Path) -> str:
    while browser.poll() is None:
        if found := LISTENS.search(log.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox ended before it listened: {log.read_text()[-500:]}")
