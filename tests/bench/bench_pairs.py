"""Alternating runs of ours and of what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import median

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server


@dataclass
class Pairs:
    """Seconds of runs taken in turn: ours, bare, ours, bare, …"""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Our speed as a part of the bare one's, pair by pair: 0.5 takes twice as long."""
        return [bare / ours for ours, bare in zip(self.ours, self.bare, strict=True)]

    @property
    def slower(self) -> list[float]:
        """How many times as long the second took, pair by pair."""
        return [second / first for first, second in zip(self.ours, self.bare, strict=True)]

    def warm(self) -> Pairs:
        """Without the first pair."""
        return Pairs(self.ours[1:], self.bare[1:])


@contextmanager
def autocommit(url: URL) -> Iterator[Cursor]:
    """A cursor of a session of its own, outside of any transaction."""
    with closing(server.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@contextmanager
def seconds_of(runs: list[float]) -> Iterator[None]:
    """Add the seconds that the block takes to `runs`."""
    began = time.perf_counter()
    yield
    runs.append(time.perf_counter() - began)


def spread(values: list[float], digits: int = 2) -> str:
    """Median, and what it varied between."""
    low, middle, high = (f"{f(values):,.{digits}f}" for f in (min, median, max))
    return f"{middle} ({low} to {high})"
