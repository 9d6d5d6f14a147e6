"""A shop whose sessions record what they commit, for comparison with what capture and merge make of it."""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor

from medallion_lib import Medallion, server, steps
from medallion_lib.bronze import capture, landing
from medallion_lib.shop import TABLES
from medallion_lib.silver import merge
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Tables

Row = dict[str, Any]
State = dict[str, dict[int, Row]]
Event = tuple[str, str, Row | None]  # table, op, row

KEY = {"customer": "customer_id", "film": "film_id", "inventory": "inventory_id",
       "rental": "rental_id", "payment": "payment_id"}  # fmt: skip
AS_LOGGED = {  # how a column prints where Python's own type is not JSON's
    "customer": "*, create_date::text, last_update::text",
    "film": "*, rating::text, last_update::text, special_features::text, fulltext::text",
    "inventory": "*, last_update::text",
    "rental": "*, rental_date::text, return_date::text, last_update::text",
    "payment": "*, payment_date::text",
}
TRUNCATED = {"payment": {"payment"}, "rental": {"rental", "payment"},
             "customer": {"customer", "rental", "payment"},
             "film": {"film", "inventory", "rental", "payment"}}  # fmt: skip
LONG = "".join(hashlib.md5(bytes([n])).hexdigest() for n in range(200))  # too long to stay in its row
TEXTS = ("", "plain", "it's", 'a "b" \\ c', "line\nbreak\ttab\r", "grüße 😀 \u2028", "\\N", LONG, None)
BASE = """
    INSERT INTO country (country) VALUES ('Here'); INSERT INTO city (city, country_id) VALUES ('T', 1);
    INSERT INTO address (address, district, city_id, phone) VALUES ('A', 'D', 1, '1');
    INSERT INTO language (name) VALUES ('Latin');
    INSERT INTO store (manager_staff_id, address_id) VALUES (1, 1), (1, 1);
    INSERT INTO staff (first_name, last_name, address_id, store_id, username) VALUES ('S', 'T', 1, 1, 's')
"""
SMALL = {"customer": "store_id", "film": "length", "inventory": "store_id", "rental": "staff_id",
         "payment": "amount"}  # fmt: skip
# A change of these keys would cascade to the rows that refer to it.
REFERRING = {
    "customer": [("rental", "customer_id"), ("payment", "customer_id")],
    "inventory": [("rental", "inventory_id")],
    "film": [("inventory", "film_id")],
    "rental": [("payment", "rental_id")],
}
# What silver tracks, as the source and as silver name it.
TRACKED = {
    "customer": ("dim_customer_hist", "customer_id, store_id, first_name, last_name, email, "
                 "address_id, activebool AS active, create_date"),
    "film": ("dim_film_hist", "film_id, title, description, release_year, language_id, "
             "original_language_id, rental_duration, rental_rate, length, replacement_cost, "
             "rating::text AS rating, special_features"),
    "rental": ("fact_rental", "rental_id, rental_date, return_date, customer_id, inventory_id, staff_id"),
    "payment": ("fact_payment", "payment_id, payment_date, amount, customer_id, rental_id, staff_id"),
}  # fmt: skip
EXTRA = {"note": "text DEFAULT 'none'", "mark": "varchar(9)", "size": "integer DEFAULT 7", "Odd %s": "numeric"}


def values_of(table: str, key: int, pick: int) -> Row:
    text = TEXTS[pick]
    day = f"2023-0{1 + pick % 3}-05 0{pick}:00:00.25+00"
    if table == "customer":
        return {"customer_id": key, "store_id": 1 + pick % 2, "first_name": text or "x", "last_name": "y",
                "email": text, "address_id": 1, "activebool": pick % 2 == 0, "create_date": "2020-02-29"}  # fmt: skip
    if table == "film":
        return {"film_id": key, "title": text or "untitled", "description": text, "language_id": 1,
                "release_year": (None, 1999)[pick % 2], "rental_rate": f"{pick}.9", "rating": ("PG", "NC-17", None)[pick % 3],
                "special_features": [None, [], ["a,b", 'c"d', None, ""]][pick % 3]}  # fmt: skip
    if table == "inventory":
        return {"inventory_id": key, "film_id": key, "store_id": 1 + pick % 2}
    if table == "rental":
        return {"rental_id": key, "rental_date": f"2023-01-{1 + key % 28} 12:00+00", "inventory_id": key,
                "customer_id": key, "return_date": (None, day)[pick % 2], "staff_id": 1}  # fmt: skip
    return {"payment_id": key, "customer_id": key, "staff_id": 1, "rental_id": key,
            "amount": f"{pick}.50", "payment_date": day}  # fmt: skip


def empty() -> State:
    return {table: {} for table in KEY}


@dataclass
class Session:
    """One connection to the source, and what it has done in its open transaction."""

    cursor: Cursor
    by_key: set[str]  # tables whose old rows the log names by their key alone
    state: State = field(default_factory=empty)  # its own rows as they are
    logged: State = field(default_factory=empty)  # and as they last were in the log
    events: list[Event] = field(default_factory=list)
    saved: list[tuple] = field(default_factory=list)  # at BEGIN, then at each savepoint

    def begin(self) -> None:
        if not self.saved:
            self.cursor.execute("BEGIN")
            self.save()

    def save(self) -> None:
        self.saved.append(copy.deepcopy((self.state, self.logged, self.events)))

    def restore(self) -> None:
        self.state, self.logged, self.events = copy.deepcopy(self.saved[-1])

    def run(self, table: str, statement: str, values: Row) -> Row | None:
        """One statement in a savepoint of its own; what it logged, or None where a key forbids it."""
        self.begin()
        self.cursor.execute("SAVEPOINT statement")
        try:
            self.cursor.execute(f"{statement} RETURNING {AS_LOGGED[table]}", values)
        except psycopg2.IntegrityError:
            self.cursor.execute("ROLLBACK TO statement")
            return None
        row = self.cursor.fetchone()
        self.cursor.execute("RELEASE statement")
        return dict(row)

    # What a transaction may do

    def put(self, table: str, key: int, pick: int) -> None:
        wanted = values_of(table, key, pick)
        old = self.state[table].get(key)
        names = list(wanted)
        if old:
            pairs = ", ".join(f"{name} = %({name})s" for name in names)
            statement = f"UPDATE {table} SET {pairs} WHERE {KEY[table]} = {key}"
        else:
            places = ", ".join(f"%({name})s" for name in names)
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"
        if new := self.run(table, statement, wanted):
            moved = old and table == "payment" and old["payment_date"] != new["payment_date"]
            self.note(table, key, key, new, bool(moved))

    def touch(self, table: str, key: int, pick: int) -> None:
        """Change one small column, which leaves a long value where it is."""
        if key in self.state[table]:
            value = 1 if table == "rental" else 1 + pick % 2
            statement = f"UPDATE {table} SET {SMALL[table]} = {value} WHERE {KEY[table]} = {key}"
            self.note(table, key, key, self.run(table, statement, {}), False)

    def note(self, table: str, old_key: int, key: int, new: Row, moved: bool) -> None:
        if moved:
            self.events += [(table, "D", self._gone(table, old_key)), (table, "I", new)]
        else:
            self.events.append((table, "U" if key in self.state[table] else "I", new))
        self.state[table][key] = self.logged[table][key] = new

    def _gone(self, table: str, key: int) -> Row:
        """The row that a delete of it lands: where the log has the key alone, as it was last logged."""
        row, logged = self.state[table].pop(key), self.logged[table].pop(key)
        return logged if table in self.by_key else row

    def rekey(self, table: str, key: int, pick: int) -> None:
        """A change of key, to one that nobody uses; refused where rows refer to it."""
        old = self.state[table].get(key)
        if not old or any(row[column] == key for child, column in REFERRING.get(table, ())
                          for row in self.state[child].values()):  # fmt: skip
            return
        new_key = key + 100 if key < 100 else key - 100
        statement = f"UPDATE {table} SET {KEY[table]} = {new_key} WHERE {KEY[table]} = {key}"
        if new_key not in self.state[table] and (new := self.run(table, statement, {})):
            self.note(table, key, new_key, new, True)

    def delete(self, table: str, key: int, pick: int) -> None:
        old = self.state[table].get(key)
        if old and self.run(table, f"DELETE FROM {table} WHERE {KEY[table]} = {key}", {}):
            self.events.append((table, "D", self._gone(table, key)))

    def savepoint(self) -> None:
        self.begin()
        self.cursor.execute(f"SAVEPOINT s{len(self.saved)}")
        self.save()

    def rollback_to(self) -> None:
        if len(self.saved) > 1:
            self.restore()
            self.saved.pop()
            self.cursor.execute(f"ROLLBACK TO s{len(self.saved)}")

    def rollback(self) -> None:
        if self.saved:
            self.cursor.execute("ROLLBACK")
            self.saved = self.saved[:1]
            self.restore()
            self.saved.clear()

    def commit(self) -> list[Event]:
        """What the transaction leaves in the log."""
        if self.saved:
            self.cursor.execute("COMMIT")
        self.saved.clear()
        events, self.events = self.events, []
        return events


class Stopped(Exception):
    """Raised at a step of capture, which a process killed there would not have got past."""


@dataclass(frozen=True)
class Copy:
    """The source's tables, as silver tracks them, at an instant when no transaction was open."""

    instant: str
    rows: dict[str, list[Row]]


class Shop:
    """Three sessions that work side by side on keys of their own, and the true history."""

    def __init__(self, lab: Medallion) -> None:
        self.lab = lab
        options = {"cursor_factory": RealDictCursor}
        self.connections = [server.connect(lab.source_url, **options) for _ in range(3)]
        for connection in self.connections:
            connection.autocommit = True
        self.warehouse = server.connect(lab.warehouse_url)
        self.by_key: set[str] = set()
        self.extra: dict[str, dict[str, str]] = {"customer": {}, "film": {}}
        self.named: dict[tuple[str, str], str] = {}  # an extra column, by table and name
        self.fresh = itertools.count()
        self.stops = 0

    def close(self) -> None:
        for connection in (*self.connections, self.warehouse):
            connection.close()

    def begin(self) -> None:
        """An empty shop, as it was made, all of it captured.

        The slot may then let go of what came before. Else, for half a minute, each capture would
        read again what every other test has written since.
        """
        self.sessions = [Session(c.cursor(), self.by_key) for c in self.connections]
        self.execute("DELETE FROM payment; DELETE FROM rental; DELETE FROM inventory; "
                     "DELETE FROM customer; DELETE FROM film")  # fmt: skip
        for table in list(self.by_key):
            self.identify(table, "FULL")
        for table, columns in self.extra.items():
            for name in list(columns):
                self.alter(table, f'DROP COLUMN "{name}"')
                del columns[name]
        self.named.clear()
        self.execute("SELECT pg_log_standby_snapshot()")
        self.capture()
        with self.warehouse, self.warehouse.cursor() as cursor:
            self.start = Watermark.read(cursor).lsn
        self.truth: list[list[Event]] = []
        self.committed: list[tuple[datetime, datetime]] = []
        self.copies: list[Copy] = []

    def execute(self, statement: str) -> list[Row]:
        """One statement of the first session, outside of any transaction."""
        cursor = self.sessions[0].cursor
        cursor.execute(statement)
        return [dict(row) for row in cursor] if cursor.description else []

    def commit(self, session: Session) -> None:
        before = datetime.now(UTC)
        if events := session.commit():
            self.truth.append(events)
            self.committed.append((before, datetime.now(UTC)))

    def commit_all(self) -> None:
        """What follows waits for every other transaction."""
        for session in self.sessions:
            self.commit(session)

    def truncate(self, table: str) -> None:
        self.commit_all()
        session = self.sessions[0]
        session.begin()
        session.cursor.execute(f"TRUNCATE {table} CASCADE")
        session.events += [(name, "T", None) for name in sorted(TRUNCATED[table])]
        for other in self.sessions:
            for name in TRUNCATED[table]:
                other.state[name].clear()
                other.logged[name].clear()
        self.commit(session)

    def truncate_month(self, month: int) -> None:
        """A single partition is emptied: that is a delete of each of its rows."""
        self.commit_all()
        self.sessions[0].begin()
        self.sessions[0].cursor.execute(f"TRUNCATE payment_p2023_0{month}")
        for session in self.sessions:
            for key, row in list(session.state["payment"].items()):
                if row["payment_date"].startswith(f"2023-0{month}"):
                    gone = session.logged["payment"].pop(key)
                    self.sessions[0].events.append(("payment", "D", gone))
                    del session.state["payment"][key]
        self.commit(self.sessions[0])

    def identify(self, table: str, identity: str) -> None:
        self.commit_all()
        leaves = [f"payment_p2023_0{month}" for month in (1, 2, 3)] if table == "payment" else [table]
        for leaf in leaves:
            self.execute(f"ALTER TABLE {leaf} REPLICA IDENTITY {identity}")
        (self.by_key.discard if identity == "FULL" else self.by_key.add)(table)

    def evolve(self, table: str, name: str) -> None:
        """Add one of the extra columns; where it is, rename it; where it was renamed, widen or drop it."""
        columns, kind, asked = self.extra[table], EXTRA[name], (table, name)
        self.commit_all()
        # No name is used twice: capture refuses that.
        name = self.named.setdefault(asked, f"{name} {next(self.fresh)}")
        if name not in columns and f"{name} 2" not in columns:
            columns[name] = kind
            self.alter(table, f'ADD COLUMN "{name}" {kind}')
        elif name in columns:
            columns[f"{name} 2"] = columns.pop(name)
            self.alter(table, f'RENAME COLUMN "{name}" TO "{name} 2"')
        elif columns[f"{name} 2"] != "text":
            columns[f"{name} 2"] = "text"
            self.alter(table, f'ALTER COLUMN "{name} 2" TYPE text')
        else:
            del columns[f"{name} 2"], self.named[asked]
            self.alter(table, f'DROP COLUMN "{name} 2"')

    def alter(self, table: str, change: str) -> None:
        self.execute(f"ALTER TABLE {table} {change}")
        rows = {row[KEY[table]]: row for row in self.execute(f"SELECT {AS_LOGGED[table]} FROM {table}")}
        for session in self.sessions:
            session.state[table] = {key: rows[key] for key in session.state[table]}

    def capture(self, stop_at: str = "", count: int = 1) -> None:
        """Capture; with `stop_at`, be stopped when that step has been passed so many times."""
        left = count

        def on_step(step: str) -> None:
            nonlocal left
            left -= step == stop_at
            if stop_at and not left:
                raise Stopped

        with small_batches(on_step):
            with self.warehouse, self.warehouse.cursor() as cursor:
                known = Watermark.read(cursor, Tables.read(cursor))
            try:
                capture.capture(self.lab.source_url, self.warehouse, known, lambda rows: None)
            except Stopped:
                self.stops += 1
            finally:
                self.warehouse.rollback()

    def merge(self) -> None:
        merge.merge(self.warehouse)

    def copy(self) -> None:
        self.commit_all()
        lists = ", ".join(
            f"(SELECT coalesce(json_agg(t ORDER BY 1), '[]') FROM (SELECT {columns} FROM {table} ORDER BY 1) AS t) "
            f"AS {table}" for table, (_, columns) in TRACKED.items())  # fmt: skip
        (found,) = self.execute(f"SELECT clock_timestamp()::text AS instant, {lists}")
        self.copies.append(Copy(found.pop("instant"), found))

    # What there is to compare

    def bronze(self) -> list[tuple[int, datetime, list[Event]]]:
        """By transaction in the order of lsn: its lsn, its time, its changes in the order of seq."""
        parts = " UNION ALL ".join(
            f"SELECT lsn, seq, commit_ts, '{table.name}', op, full_row "
            f"FROM bronze.br_{table.name}_cdc WHERE lsn > {self.start}" for table in TABLES.captured)  # fmt: skip
        with self.warehouse, self.warehouse.cursor() as cursor:
            cursor.execute(f"{parts} ORDER BY lsn, seq")
            rows = cursor.fetchall()
        found: dict[int, tuple[int, datetime, list[Event]]] = {}
        for lsn, seq, at, *event in rows:
            _, time, events = found.setdefault(lsn, (lsn, at, []))
            events.append(tuple(event))
            assert (seq, at) == (len(events), time), "seq has no gap, and a transaction one time"
        return list(found.values())

    def silver(self, instant: str) -> dict[str, list[Row]]:
        """Silver as of the instant."""
        lists = ", ".join(
            f"(SELECT coalesce(json_agg(t), '[]') FROM (SELECT {_names(columns)} "
            f"FROM silver.{name}__as_of('{instant}') ORDER BY 1) AS t)" for name, columns in TRACKED.values())  # fmt: skip
        with self.warehouse, self.warehouse.cursor() as cursor:
            cursor.execute(f"SELECT {lists}")
            return dict(zip(TRACKED, cursor.fetchone(), strict=True))


def _names(columns: str) -> str:
    return ", ".join(column.split(" AS ")[-1] for column in columns.split(", "))


@contextmanager
def small_batches(on_step: Any) -> Iterator[None]:
    """Rows land a few at a time, and each step is told."""
    before = landing.BATCH_ROWS, steps.on_step
    landing.BATCH_ROWS, steps.on_step = 5, on_step
    try:
        yield
    finally:
        landing.BATCH_ROWS, steps.on_step = before


def in_json(events: list[Event]) -> list[Event]:
    """The tables of one TRUNCATE come in no order that is promised, nor do a partition's rows."""
    numbers = ("amount", "rental_rate", "replacement_cost", "Odd %s", "Odd %s 2")
    values = [(table, op, row and {name: float(v) if name in numbers and not isinstance(v, str | None) else v
                                   for name, v in row.items()}) for table, op, row in events]  # fmt: skip
    if {op for _, op, _ in values} == {"D"}:
        return sorted(values, key=lambda event: (event[0], sorted(map(str, event[2].items()))))
    truncations = sorted((event for event in values if event[1] == "T"), key=str)
    return [event for event in values if event[1] != "T"] + truncations
