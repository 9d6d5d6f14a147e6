"""Drives the demo in the JupyterLab that `make demo` opens, with Shift+Enter, and takes times."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, TimeoutError

ROOT = Path(__file__).parents[2]
LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/doc/tree/\S+\?token=\w+")
TOLD = re.compile(r"Rule: .*\n")
MINUTE = 60_000


@contextmanager
def make_demo(own: Path) -> Iterator[tuple[Callable[[], str], str]]:
    """What `make demo` does on a terminal, without its browser: what it prints, and the address.

    `own` becomes the presenter's directory of Jupyter and of IPython, with a kernel of the usual
    name that is none, and with a line that would end each kernel at its start.
    """
    kernel = own / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["false"], "display_name": "Not this", "language": "python"}')
    startup = own / "profile_default" / "startup" / "ours.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("import os; os._exit(1)")
    keyboard, terminal = pty.openpty()
    command = [
        sys.executable,
        "book/demo.py",
        "--no-browser",
        "--LabApp.expose_app_in_browser=True",
    ]
    ours = ("PYTEST_", "MEDALLION_NAME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    theirs = ("JUPYTER_DATA_DIR", "JUPYTER_PATH", "JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR")
    kept |= dict.fromkeys(theirs, str(own))
    process = subprocess.Popen(
        command, cwd=ROOT, env=kept, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    printed = _Printed(keyboard)
    try:
        address = printed.until(ADDRESS, process)
        printed.until(TOLD, process)
        yield lambda: printed.text.replace("\r\n", "\n"), address
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(keyboard)


class _Printed:
    """What comes out of a terminal, read all the time, or the program would wait for a reader."""

    def __init__(self, keyboard: int) -> None:
        self.text = ""
        self._keyboard = keyboard
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._keyboard, 4096):
                self.text += piece.decode(errors="replace")
        except OSError:
            return  # the program has ended

    def until(self, wanted: re.Pattern[str], process: subprocess.Popen[bytes]) -> str:
        give_up = time.monotonic() + 90
        while not (found := wanted.search(self.text)):
            assert process.poll() is None, self.text
            assert time.monotonic() < give_up, self.text
            time.sleep(0.05)
        return found[0]


@dataclass
class Played:
    """One cell, as it was run: the beat it is in, and whether all of that was in view."""

    cell: str
    beat: str
    seconds: float
    height: float
    room: float
    whole: bool
    outputs: list[dict[str, Any]]


@dataclass
class Conductor:
    """A notebook in a page, from its active cell on."""

    page: Page
    played: list[Played] = field(default_factory=list)
    presses: list[str] = field(default_factory=list)  # the active cell at each Shift+Enter

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_function("() => window.jupyterapp?.started", polling=50, timeout=MINUTE)
        self.page.evaluate(LOOK)
        self.page.wait_for_function("() => stage.ready()", polling=50, timeout=MINUTE)
        self.cells = self.page.evaluate("stage.cells()")
        self.place = {cell["id"]: i for i, cell in enumerate(self.cells)}

    def go(self, cell: str) -> None:
        self.page.evaluate("i => stage.go(i)", self.place[cell])

    def type(self, cell: str, value: str) -> None:
        """Type over what stands in the brackets or quotes of the active cell, as the guide says."""
        assert self.active() == cell
        first = self.page.evaluate("i => stage.source(i)", self.place[cell]).partition("\n")[0]
        old = re.search(r"[(\"](.*)[)\"]$", first)
        for keys in ["Enter", "End", "ArrowLeft", *["Backspace"] * len(old[1])]:
            self.page.keyboard.press(keys)
        self.page.keyboard.type(value)

    def back(self, cell: str) -> None:
        """Press the up arrow until this cell is the active one."""
        for _ in self.cells:
            if self.active() == cell:
                return
            self.page.keyboard.press("ArrowUp")

    def active(self) -> str:
        return self.cells[self.page.evaluate("stage.active()")]["id"]

    def below(self, cell: str) -> dict[str, Any]:
        """What a spectator sees below the cell: said, figures, title, and whether the remark."""
        return self.page.evaluate("i => stage.below(i)", self.place[cell])

    def play(self, until: str) -> None:
        """Press Shift+Enter until this cell has run."""
        while not self.played or self.played[-1].cell != until:
            self._press()

    def _press(self) -> None:
        """On a question: it is whole in view, its answer runs, and all of the beat is in view."""
        at = self.page.evaluate("stage.active()")
        self.presses.append(self.cells[at]["id"])
        runs = next((i for i in (at, at + 1) if self.cells[i]["code"]), None)
        if runs is None or not (self.cells[at]["asks"] or runs == at):
            self.page.keyboard.press("Shift+Enter")
            return
        first, last = self._beat(at)
        asked = self._in_view(first, last)
        began = time.monotonic()
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function("i => stage.done(i)", arg=runs, polling=10, timeout=MINUTE)
        seconds = time.monotonic() - began
        outputs = self.page.evaluate("i => stage.outputs(i)", runs)
        place = self.page.evaluate("([a, b]) => stage.place(a, b)", [first, last])
        # Without an output, the next question comes at once.
        answered = not outputs or last == runs or self._in_view(first, last)
        names = self.cells[runs]["id"], self.cells[first]["id"]
        height = place["bottom"] - place["top"]
        self.played.append(
            Played(*names, seconds, height, place["room"], asked and answered, outputs)
        )

    def _beat(self, at: int) -> tuple[int, int]:
        """The first and the last cell of the beat."""
        questions = [i for i, cell in enumerate(self.cells) if cell["asks"]]
        first = max(i for i in questions if i <= at)
        return first, min((i for i in questions if i > at), default=len(self.cells)) - 1

    def _in_view(self, first: int, last: int) -> bool:
        try:
            self.page.wait_for_function(
                "([a, b]) => stage.whole(a, b)", arg=[first, last], polling=20, timeout=3000
            )
        except TimeoutError:
            return False
        return True

    def intruders(self) -> int:
        """Dialogs and notes that nobody asked for."""
        return self.page.evaluate("stage.intruders()")
