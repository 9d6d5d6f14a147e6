"""A line on the terminal that shows long work is moving."""

from __future__ import annotations

import sys
import time

QUIET = 1.0  # seconds of work before anything is shown


class Progress:
    """`with Progress("capture") as progress: progress.show("20,000 rows")`, on stderr.

    On a terminal one line is rewritten; elsewhere a line is printed every ten seconds.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Progress:
        self.began = self.shown_at = time.monotonic()
        self.rewrites = sys.stderr.isatty()
        self.is_shown = False
        return self

    def show(self, state: str) -> None:
        now = time.monotonic()
        pause = 0.1 if self.rewrites else 10.0
        if now - self.began < QUIET or now - self.shown_at < pause:
            return
        line = f"{self.what}: {state}, {now - self.began:.0f} s"
        print(f"\r\033[K{line}" if self.rewrites else line,
              end="" if self.rewrites else "\n", file=sys.stderr, flush=True)
        self.shown_at, self.is_shown = now, True

    def __exit__(self, *_: object) -> None:
        if self.rewrites and self.is_shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
