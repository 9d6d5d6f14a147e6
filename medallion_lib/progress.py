"""A line on the terminal that shows long work is moving."""

from __future__ import annotations

import sys
import time

QUIET = 1.0  # seconds of work before anything is shown


class Progress:
    """`with Progress("capture", "{:,} rows") as progress: progress.show(20_000)`, on stderr.

    On a terminal one line is rewritten; elsewhere a line is printed every ten seconds.
    """

    def __init__(self, what: str, pattern: str) -> None:
        self.pattern = f"{what}: {pattern}, {{:.0f}} s"

    def __enter__(self) -> Progress:
        self.began = time.monotonic()
        self.start, self.end, self.pause = "", "\n", 10.0
        if sys.stderr.isatty():
            self.start, self.end, self.pause = "\r\033[K", "", 0.1
        self.due = self.began + QUIET
        self.is_shown = False
        return self

    def show(self, state: object) -> None:
        if (now := time.monotonic()) >= self.due:
            line = self.pattern.format(state, now - self.began)
            print(self.start + line, end=self.end, file=sys.stderr, flush=True)
            self.due, self.is_shown = now + self.pause, True

    def __exit__(self, *_: object) -> None:
        if self.is_shown:
            print(self.start, end="", file=sys.stderr, flush=True)
