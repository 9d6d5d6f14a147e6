"""The sample year played in stages, and what every relation must hold at each of them.

What is expected comes from copies of the source's tables and the plain Python of oracle.py; what
is found, through the notebooks' engine and its hook.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from anew import begin_anew
from oracle import (
    UNKNOWN,
    Copy,
    Items,
    Row,
    items_at,
    monthly_revenue,
    read_events,
    read_opening,
    store_scorecard,
    top_titles,
)
from psycopg2.extensions import connection as Connection
from sqlalchemy import text

from medallion_lib import Medallion, server
from medallion_lib.tables import Tables

Rows = Counter[tuple[Any, ...]]

DATA = Path(__file__).resolve().parent.parent / "data"
COPIED = ("customer", "film", "inventory", "rental", "payment")
MICROSECOND = timedelta(microseconds=1)

# The columns that silver takes from the source, by table and by the view of its current rows.
CUSTOMER = (
    "customer_id", "store_id", "first_name", "last_name", "email", "address_id", "active",
    "create_date",
)  # fmt: skip
FILM = (
    "film_id", "title", "description", "release_year", "language_id", "original_language_id",
    "rental_duration", "rental_rate", "length", "replacement_cost", "rating", "special_features",
)  # fmt: skip
RENTAL = (
    "rental_id", "rental_date", "return_date", "customer_id", "inventory_id", "film_id",
    "store_id", "staff_id",
)  # fmt: skip
PAYMENT = (
    "payment_id", "payment_date", "amount", "customer_id", "rental_id", "store_id", "staff_id",
)  # fmt: skip

HISTORY = {
    "dim_customer_hist": CUSTOMER, "dim_film_hist": FILM,
    "fact_rental": RENTAL, "fact_payment": PAYMENT,
}  # fmt: skip
CURRENT = {
    "dim_customer": CUSTOMER, "dim_film": FILM,
    "fact_rental_current": RENTAL, "fact_payment_current": PAYMENT,
}  # fmt: skip
MARTS = {
    "vw_monthly_revenue": monthly_revenue,
    "vw_top_titles": top_titles,
    "vw_store_scorecard": store_scorecard,
}
RELATIONS = (*HISTORY, *CURRENT, *MARTS)


@dataclass(frozen=True)
class Stage:
    """An instant at which the replay stood, and the rows that each relation had to have then."""

    instant: datetime
    rows: Mapping[str, Rows]


@contextmanager
def own_lab(name: str, tables: Tables | None = None) -> Iterator[Medallion]:
    """An empty source and warehouse that a whole module shares, dropped at the end."""
    lab = Medallion.open(f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}", tables=tables)
    try:
        begin_anew(lab)
        yield lab
    finally:
        lab.close()
        lab.drop()


@contextmanager
def as_owner(lab: Medallion) -> Iterator[Connection]:
    """A connection that may write to the warehouse, in UTC whatever the client's zone."""
    with closing(server.connect(lab.warehouse_url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
        yield connection


def ask(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


# --- The way through the year ------------------------------------------------------------------


@cache
def event_times() -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(event["at"]) for event in read_events(DATA))


@cache
def shown_times() -> list[tuple[datetime, str]]:
    return [(at, str(at)) for at in event_times()]


def between(moment: str, count: int) -> list[datetime]:
    """`count` instants, each halfway between two neighbouring events of this day or hour."""
    times = [at for at, shown in shown_times() if shown.startswith(moment)]
    places = [number * (len(times) - 1) // count for number in range(count)]
    return [times[place] + (times[place + 1] - times[place]) / 2 for place in places]


def played(lab: Medallion, instants: Sequence[datetime], captured: bool = True) -> Iterator[Stage]:
    """Play to each of these ascending instants, its own event included, and capture there."""
    known = items_at(read_opening(DATA), read_events(DATA), instants)
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for instant, items in zip(instants, known, strict=True):
        lab.replay(until=instant + MICROSECOND)
        if captured:
            lab.capture()
        rows = {name: Counter(seen.setdefault(row, row) for row in wanted)
                for name, wanted in expected(copy_of(lab), items)}
        rows |= {view: rows[name] for view, name in zip(CURRENT, HISTORY, strict=True)}
        yield Stage(instant, rows)


def copy_of(lab: Medallion) -> Copy:
    copy = {}
    with lab.source.connect() as shop:
        for name in COPIED:
            result = shop.execute(text(f"SELECT * FROM {name}"))
            columns = tuple(result.keys())
            copy[name] = [dict(zip(columns, row, strict=True)) for row in result.cursor.fetchall()]
    return copy


# --- What there must be ------------------------------------------------------------------------


def expected(copy: Copy, items: Items) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
    """Each silver table's and each mart's rows, from a copy of the source."""
    silver = {
        "dim_customer_hist": [row | {"active": row["activebool"]} for row in copy["customer"]],
        "dim_film_hist": copy["film"],
        "fact_rental": [row | _item(items, row) for row in copy["rental"]],
        "fact_payment": [row | {"store_id": items.payment_store.get(row["payment_id"])}
                         for row in copy["payment"]],
    }
    for name, rows in silver.items():
        yield name, _hashable(map(itemgetter(*HISTORY[name]), rows), HISTORY[name])
    for name, mart in MARTS.items():
        yield name, (tuple(row.values()) for row in mart(copy, items))


def _item(items: Items, rental: Row) -> Row:
    film, store = items.rental_item.get(rental["rental_id"], UNKNOWN)
    return {"film_id": film, "store_id": store}


def _hashable(rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """The rows as they are, but a list as a tuple."""
    if "special_features" not in columns:
        return rows
    return (tuple(tuple(value) if isinstance(value, list) else value for value in row)
            for row in rows)


# --- What there is -----------------------------------------------------------------------------


def as_of(lab: Medallion, relation: str, instant: datetime) -> Rows:
    return _found(lab, f"{_select(relation)} FOR SYSTEM_TIME AS OF :instant", instant=instant)


def today(lab: Medallion, relation: str) -> Rows:
    only = " WHERE sys_end = 'infinity'" if relation in HISTORY else ""
    return _found(lab, _select(relation) + only)


def _select(relation: str) -> str:
    columns = (HISTORY | CURRENT).get(relation, ("*",))
    return f"SELECT {', '.join(columns)} FROM {relation}"


def _found(lab: Medallion, sql: str, **parameters: datetime) -> Rows:
    with lab.warehouse.connect() as warehouse:
        result = warehouse.execute(text(sql), parameters)
        return Counter(_hashable(result.cursor.fetchall(), list(result.keys())))


def differences(lab: Medallion, stages: Iterable[Stage]) -> list[str]:
    """What AS OF each stage's instant has too much and too little, a few rows of each."""
    return [
        f"{relation} AS OF {stage.instant}: {difference}"
        for stage in stages
        for relation in RELATIONS
        if (difference := compare(as_of(lab, relation, stage.instant), stage.rows[relation]))
    ]


def compare(found: Rows, wanted: Rows) -> str:
    """Empty where both have the same rows. (A Counter compares itself in Python, far slower.)"""
    if dict.__eq__(found, wanted):
        return ""
    extra, missing = found - wanted, wanted - found
    return (f"{extra.total()} rows too many, such as {list(extra)[:3]}; "
            f"{missing.total()} missing, such as {list(missing)[:3]}")
