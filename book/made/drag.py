"""The introduction's figure: June's revenue as of any date, for a slider to move through.

A stop of the slider is an instant and what the warehouse answers AS OF it. The page carries all
answers, and `_static/drag.js` shows the one asked for; without script it shows the board pack's.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from charts import findings as say

from medallion_lib import Medallion

JUNE, PACK, AUGUST = (datetime(2023, month, 1, tzinfo=UTC) for month in (6, 7, 8))
DAY = timedelta(days=1)
CHANGES = Path(__file__).with_name("drag.sql")
TEMPLATE = Path(__file__).with_name("drag_template.html")
NOW = """SELECT store_id, total_revenue
FROM vw_monthly_revenue
WHERE revenue_month = '2023-06-01'"""
THEN = """SELECT instant, store_id, total_revenue
FROM unnest(%s) AS instant, vw_monthly_revenue FOR SYSTEM_TIME AS OF instant AS mart
WHERE revenue_month = '2023-06-01'"""
LAST = "SELECT max(sys_start) FROM fact_payment"


class Change(NamedTuple):
    """A June payment that was posted, corrected or voided after June."""

    instant: datetime
    kind: str
    store: int
    difference: Decimal


@dataclass(frozen=True)
class Stop:
    """What one position of the slider shows. Today has no instant."""

    instant: datetime | None
    revenue: say.Money
    title: str
    note: str

    @property
    def asof(self) -> str:
        """As in the clause and in a link; sorts by time."""
        if self.instant is None:
            return "today"
        return f"{self.instant:%F}" if _is_midnight(self.instant) else f"{self.instant:%FT%T}"

    @property
    def when(self) -> str:
        return "today" if self.instant is None else _date(self.instant, f" {self.instant.year}")


@dataclass(frozen=True)
class June:
    """All that is known of June: its revenue as of each instant and now, and its late changes."""

    then: dict[datetime, say.Money]
    now: say.Money
    changes: list[Change]

    @property
    def pack(self) -> say.Money:
        return self.then[PACK]

    def stops(self) -> list[Stop]:
        before, stops = self.pack, []
        for instant, revenue in self.then.items():
            note = self._note(instant, revenue, before)
            stops.append(Stop(instant, revenue, self._title(instant, revenue), note))
            before = revenue
        past, present = say.stores(say.winners(self.pack)), say.stores(say.winners(self.now))
        title = f"Today, {present} won June. By the board pack, {past} did."
        return [*stops, Stop(None, self.now, title, self._ending())]

    def _title(self, instant: datetime, revenue: say.Money) -> str:
        by = "By the board pack" if instant == PACK else f"As of {_date(instant)}"
        if instant >= PACK:
            return say.verdict(revenue, self.now, by)
        first = say.winners(revenue)
        if not first:
            return f"{by}, no store has any June revenue."
        return f"{by}, {say.stores(first)} {'lead' if first[1:] else 'leads'} in June."

    def _note(self, instant: datetime, revenue: say.Money, before: say.Money) -> str:
        """What happened at the instant, or else by then."""
        if instant < PACK:
            return "June is not over."
        if instant == PACK:
            return f"The board pack is written on this day: {lead(revenue)}."
        happened = [self._said(change) for change in self.changes if change.instant == instant]
        if happened and say.winners(revenue) != say.winners(before):
            happened.append(f"{say.stores(say.winners(revenue)).capitalize()} takes the lead.")
        return " ".join(happened) or self._so_far(instant)

    def _said(self, change: Change) -> str:
        alike = [other for other in self.changes if _group(other) == _group(change)]
        which = f" {alike.index(change) + 1} of {len(alike)}" if alike[1:] else ""
        amount = say.dollars(change.difference, "+")
        return f"{change.kind.capitalize()}{which}: {say.store_name(change.store)}, {amount}."

    def _so_far(self, instant: datetime) -> str:
        count = sum(change.instant < instant for change in self.changes)
        if not count:
            return "Nothing has changed June since the board pack."
        return f"June payments posted, corrected or voided since the board pack: {count}."

    def _ending(self) -> str:
        return (
            f"{len(self.changes)} June payments were posted, corrected or voided after the pack, "
            f"the last on {day_month(self.changes[-1].instant)}: {lead(self.now)}."
        )


def _is_midnight(instant: datetime) -> bool:
    return f"{instant:%T}" == "00:00:00"


def day_month(instant: datetime, year: str = "") -> str:
    return f"{instant.day} {instant:%B}{year}"


def _date(instant: datetime, year: str = "") -> str:
    return day_month(instant, year) + ("" if _is_midnight(instant) else f", {instant:%T}")


def _group(change: Change) -> tuple[str, str]:
    return f"{change.instant:%F}", change.kind


def lead(revenue: say.Money) -> str:
    first, second = say.ranked(revenue)[:2]
    by = say.dollars(revenue[first] - revenue[second])
    return f"store {first} leads store {second} by {by}"


def read(lab: Medallion) -> June:
    """June from the warehouse, as of each day until August, each month, and each late change."""
    with lab.warehouse.connect() as connection:
        query = connection.exec_driver_sql
        changes = [Change(*row) for row in query(CHANGES.read_text(encoding="utf-8"))]
        instants = sorted({*_calendar(query(LAST).scalar_one()), *(row.instant for row in changes)})
        now = {store: say.cents(amount) for store, amount in query(NOW)}
        then = {instant: dict.fromkeys(sorted(now), say.ZERO) for instant in instants}
        for instant, store, amount in query(THEN, (instants,)):
            then[instant][store] = say.cents(amount)
    return June(then, now, changes)


def _calendar(last: datetime) -> Iterator[datetime]:
    """The days of June and July, and the first of each month that history reaches after them."""
    day = JUNE
    while day <= min(last, AUGUST):
        yield day
        day += DAY
    while day <= last:
        if day.day == 1:
            yield day
        day += DAY


def page(lab: Medallion, copy: Path) -> str:
    june = read(lab)
    stops = june.stops()
    start = next(place for place, stop in enumerate(stops) if stop.instant == PACK)
    parts = {
        "title": stops[start].title,
        "when": stops[start].when,
        "rows": "".join(_rows(june, max(max(stop.revenue.values()) for stop in stops))),
        "note": stops[start].note,
        "last": str(len(stops) - 1),
        "start": str(start),
        "progress": f"{start / (len(stops) - 1):.4f}",
        "changes": "".join(_ticks(stops, june.changes)),
        "marks": "".join(_marks(stops, june)),
        "instant": stops[start].asof,
        "cells": "".join(_cells(june)),
        "data": _data(stops, start, june),
    }
    return TEMPLATE.read_text(encoding="utf-8").format_map(parts)


def _rows(june: June, full: Decimal) -> Iterator[str]:
    best = say.winners(june.pack)
    for rank, store in enumerate(say.ranked(june.pack)):
        then, now = june.pack[store], june.now[store]
        look = f"--value: {then / full:.4f}; --today: {now / full:.4f}; --rank: {rank}"
        today = say.dollars(now) if now != then else ""
        won = store in best
        yield (
            f'<button type="button" disabled class="drag-row{" won" if won else ""}" '
            f'data-store="{store}" aria-expanded="false" aria-controls="receipt-{store}" '
            f'style="{look}">\n'
            f'<span class="who"><b>{say.store_name(store)}</b>'
            f"<small>{'wins the bonus' if won else ''}</small></span>\n"
            '<span class="track"><span class="bar"></span><span class="tick"></span></span>\n'
            f'<span class="money"><b>{say.dollars(then)}</b><small>{today}</small></span>'
            "</button>\n"
        )


def _ticks(stops: list[Stop], changes: Iterable[Change]) -> Iterator[str]:
    """A tick on the slider at each late change."""
    instants = {change.instant for change in changes}
    for place, stop in enumerate(stops):
        if stop.instant in instants:
            yield f'<i style="--at: {place / (len(stops) - 1):.4f}"></i>'


def _marks(stops: list[Stop], june: June) -> Iterator[str]:
    """Buttons: the ends, the pack, what was done several times in a day, and each new leader."""
    groups = {}
    for (_, kind), alike in groupby(june.changes, _group):
        *others, last = alike
        if others:
            groups[last.instant] = f"{len(others) + 1} {kind}s", kind.replace(" ", "-")
    yield _mark(stops, 0, _date(JUNE), "", "first")
    yield _mark(stops, len(stops) - 1, "today", "", "last")
    for place, (before, stop) in enumerate(pairwise(stops), 1):
        if stop.instant == PACK:
            yield _mark(stops, place, _date(PACK), "board pack", "pack")
        if stop.instant in groups:
            yield _mark(stops, place, day_month(stop.instant), *groups[stop.instant])
        leaders = say.winners(stop.revenue)
        if before.instant and before.instant >= PACK and leaders != say.winners(before.revenue):
            yield _mark(stops, place, "★", f"{say.stores(leaders)} takes the lead", "flip")


def _mark(stops: list[Stop], place: int, day: str, what: str, kind: str) -> str:
    at = place / (len(stops) - 1)
    return (
        f'<button type="button" disabled class="{kind}" data-stop="{place}" '
        f'style="--at: {at:.4f}"><b>{day}</b> {what}</button>\n'
    )


def _cells(june: June) -> Iterator[str]:
    for store in sorted(june.now):
        amounts = "".join(f"<td>{say.dollars(side[store])}</td>" for side in (june.pack, june.now))
        yield f'<tr><th scope="row">{say.store_name(store)}</th>{amounts}</tr>\n'


def _data(stops: list[Stop], start: int, june: June) -> str:
    """Money in cents, in the order of the stores."""
    rows = [
        {
            "asof": stop.asof,
            "when": stop.when,
            "title": stop.title,
            "note": stop.note,
            "cents": [int(stop.revenue[store] * 100) for store in sorted(june.now)],
        }
        for stop in stops
    ]
    data = {"stores": sorted(june.now), "pack": start, "stops": rows}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{")
