"""The receipt of a bar of the introduction's figure: the June payments that add up to it.

The page holds a receipt of each store as of the board pack, which is what it shows without script.
`_static/receipt.js` shows one of them as of where the slider stands. A payment that is the same
then, in the board pack and today is only counted; every other one is listed with its versions and
the events of the log that made them.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from charts import findings as say
from sqlalchemy import Connection

from made import drag
from medallion_lib import Medallion, MedallionError

HERE = Path(__file__).parent
NAMES = "same.sql", "versions.sql", "events.sql", "template.html", "store.html", "payment.html"
SAME, VERSIONS, EVENTS, TEMPLATE, STORE, PAYMENT = (
    (HERE / f"receipt_{name}").read_text(encoding="utf-8") for name in NAMES
)
KINDS = {"I": "late posting", "U": "correction", "D": "void"}
LATEST = datetime.max.replace(tzinfo=UTC)  # what the driver makes of 'infinity'


class Version(NamedTuple):
    amount: Decimal
    start: datetime
    end: datetime


class Event(NamedTuple):
    op: str
    lsn: str
    seq: int
    commit: datetime


class Step(NamedTuple):
    """From a stop of the slider on: an amount, or none while it is not posted or is void."""

    place: int
    amount: Decimal | None

    def in_cents(self) -> tuple[int, int | None]:
        return self.place, None if self.amount is None else int(self.amount * 100)


@dataclass(frozen=True)
class Payment:
    """A payment that was posted after its month, changed or voided."""

    store: int
    number: int
    dated: datetime
    customer: str
    versions: list[Version]
    events: list[Event]

    @property
    def kind(self) -> str:
        return KINDS[self.events[-1].op]

    def at(self, instant: datetime) -> Decimal | None:
        """Its amount as of then; none while it is not posted, and when it is void."""
        held = (each.amount for each in self.versions if each.start <= instant < each.end)
        return next(held, None)

    def says(self, instant: datetime) -> str:
        amount = self.at(instant)
        if amount is None:
            return "not posted" if instant < self.versions[0].start else "void"
        return say.dollars(amount)

    def steps(self, instants: list[datetime]) -> list[Step]:
        """From its date on; a stop at which it is what it was before is left out."""
        steps: list[Step] = []
        for place, instant in enumerate(instants):
            step = Step(place, self.at(instant))
            if instant >= self.dated and (not steps or steps[-1].amount != step.amount):
                steps.append(step)
        return steps


class Same(NamedTuple):
    """How many payments are the same then, in the board pack and today, and their sum."""

    count: int
    amount: Decimal

    def in_cents(self) -> tuple[int, int]:
        return self.count, int(self.amount * 100)


@dataclass(frozen=True)
class Receipts:
    """What all the receipts are made of, at each stop of the slider."""

    june: drag.June
    stops: list[drag.Stop]
    instants: list[datetime]
    same: dict[tuple[datetime, int], Same]
    payments: list[Payment]

    @property
    def stores(self) -> list[int]:
        return sorted(self.june.now)

    def same_at(self, instant: datetime, store: int) -> Same:
        return self.same.get((instant, store), Same(0, say.ZERO))

    def listed(self, store: int, instant: datetime) -> list[Payment]:
        """Those of the store, dated by then, that differ from the board pack's or today's."""
        return [
            payment
            for payment in self.payments
            if payment.store == store and payment.dated <= instant
            if len({payment.at(each) for each in (instant, drag.PACK, self.instants[-1])}) > 1
        ]

    def check(self) -> None:
        """Raises MedallionError when a receipt does not add up to its bar."""
        for stop, instant in zip(self.stops, self.instants, strict=True):
            for store, revenue in stop.revenue.items():
                listed = (each.at(instant) or say.ZERO for each in self.listed(store, instant))
                total = self.same_at(instant, store).amount + sum(listed)
                if total != revenue:
                    raise MedallionError(
                        f"{say.store_name(store)} has {say.dollars(revenue)} as of {stop.asof}, "
                        f"and its receipt adds up to {say.dollars(total)}."
                    )


def read(lab: Medallion) -> Receipts:
    june = drag.read(lab)
    stops = june.stops()
    instants = [stop.instant or datetime.now(UTC) for stop in stops]
    with lab.warehouse.connect() as connection:
        rows = connection.exec_driver_sql(SAME, (instants,))
        same = {(instant, store): Same(*rest) for instant, store, *rest in rows}
        receipts = Receipts(june, stops, instants, same, _payments(connection))
    receipts.check()
    return receipts


def _payments(connection: Connection) -> list[Payment]:
    rows = connection.exec_driver_sql(VERSIONS).all()
    events: dict[int, list[Event]] = {row.payment_id: [] for row in rows}
    for number, *event in connection.exec_driver_sql(EVENTS, (list(events),)):
        events[number].append(Event(*event))
    payments = groupby(rows, key=lambda row: row[:4])
    return [
        Payment(*about, [Version(*row[4:]) for row in versions], events[about[1]])
        for about, versions in payments
    ]


def page(lab: Medallion, _copy: Path) -> str:
    receipts = read(lab)
    ranked = say.ranked(receipts.june.pack)
    example = receipts.listed(ranked[0], drag.PACK)[0].events[-1]
    same = [
        [receipts.same_at(instant, store).in_cents() for store in receipts.stores]
        for instant in receipts.instants
    ]
    parts = {
        "receipts": "".join(_store(receipts, store) for store in ranked),
        "lsn": example.lsn,
        "data": json.dumps({"same": same}, separators=(",", ":")).replace("]],[[", "]],\n[["),
    }
    return TEMPLATE.format_map(parts)


def _store(receipts: Receipts, store: int) -> str:
    """Its receipt as of the board pack. What only other instants list is in it, hidden."""
    pack, today = receipts.june.pack[store], receipts.june.now[store]
    same = receipts.same_at(drag.PACK, store)
    listed = receipts.listed(store, drag.PACK)
    counted, others = [], []
    for payment in receipts.payments:
        if payment.store == store:
            out = payment in listed and payment.at(drag.PACK) is None
            (others if out else counted).append(_payment(receipts, payment, payment in listed))
    parts = {
        "store": store,
        "when": receipts.stops[receipts.instants.index(drag.PACK)].when,
        "same": f"{same.count} payments unchanged since the board pack",
        "same_sum": say.dollars(same.amount),
        "counted": "".join(counted),
        "total": _sum(say.dollars(pack), say.dollars(today)),
        "others": "".join(others),
        "no_others": "" if others else " hidden",
    }
    return STORE.format_map(parts)


def _payment(receipts: Receipts, payment: Payment, is_listed: bool) -> str:
    steps = [step.in_cents() for step in payment.steps(receipts.instants)]
    dated, changed = map(drag.day_month, (payment.dated, payment.events[-1].commit))
    parts = {
        "steps": json.dumps(steps, separators=(",", ":")),
        "hidden": "" if is_listed else " hidden",
        "customer": escape(payment.customer),
        "about": f"{dated} · {payment.kind}, {changed}",
        "sum": _sum(payment.says(drag.PACK), payment.says(receipts.instants[-1])),
        "number": payment.number,
        "versions": "".join(
            _row(f"{each.amount}", _time(each.start), _time(each.end)) for each in payment.versions
        ),
        "events": "".join(
            _row(each.op, each.lsn, f"{each.seq}", _time(each.commit)) for each in payment.events
        ),
    }
    return PAYMENT.format_map(parts)


def _sum(then: str, today: str) -> str:
    """An amount as of the board pack, and today's where that is another."""
    later = f"today {today}" if today != then else ""
    return (
        f'<span class="sum"><b>{then}</b><small class="pack"></small>'
        f'<small class="today">{later}</small></span>'
    )


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _time(instant: datetime) -> str:
    return "infinity" if instant == LATEST else f"{instant.replace(tzinfo=None)}"
