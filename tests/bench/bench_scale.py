"""The year at a larger scale against the year: capture and merge by the event, and a mart's query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench_pairs import autocommit, seconds_of

from medallion_lib import Medallion

SCALE = 20
MART = "SELECT * FROM gold.vw_monthly_revenue"


@dataclass
class Scaled:
    """Seconds of runs at one scale: capture's and merge's by the event, and a mart's."""

    capture: list[float] = field(default_factory=list)
    merge: list[float] = field(default_factory=list)
    mart: list[float] = field(default_factory=list)


def race(lab: Medallion, runs: int, say: Callable[[str], None]) -> tuple[Scaled, Scaled]:
    """The year at scale 1 and at a larger one, in turn, after one unmeasured of the first."""
    small, large = Scaled(), Scaled()
    _one(lab, None, Scaled())
    for number in range(runs):
        for scale, measured in ((None, small), (SCALE, large)):
            say(f"the year at scale {scale or 1}: run {number + 1} of {runs}")
            _one(lab, scale, measured)
    return small, large


def _one(lab: Medallion, scale: int | None, measured: Scaled) -> None:
    lab.reset(yes=True)
    lab.replay(scale=scale)
    captured, merged = [], []
    with seconds_of(captured):
        rows = lab.capture().rows
    with seconds_of(merged):
        lab.merge()
    measured.capture.append(captured[0] / rows)
    measured.merge.append(merged[0] / rows)
    with autocommit(lab.warehouse_url) as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(MART)  # once, so that its pages are in memory
        with seconds_of(measured.mart):
            cursor.execute(MART)
            cursor.fetchall()
