"""Bronze is what the source committed: every change once, in order, as its row was."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor
from test_commands import change

from medallion_lib import Medallion, server
from medallion_lib.landing import Watermark
from medallion_lib.tables import CAPTURED

Row = dict[str, Any]
Record = Callable[[str, object], None]  # record_property's
State = dict[str, dict[int, Row]]
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
TEXTS = ("", "plain", "it's", 'a "b" \\ c', "line\nbreak\ttab\r", "grüße 😀 \u2028", "\\N", "x" * 3000, None)
BASE = """
    INSERT INTO country (country) VALUES ('Here'); INSERT INTO city (city, country_id) VALUES ('T', 1);
    INSERT INTO address (address, district, city_id, phone) VALUES ('A', 'D', 1, '1');
    INSERT INTO language (name) VALUES ('Latin');
    INSERT INTO store (manager_staff_id, address_id) VALUES (1, 1), (1, 1);
    INSERT INTO staff (first_name, last_name, address_id, store_id, username) VALUES ('S', 'T', 1, 1, 's')
"""


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


# A change of these keys would cascade to the rows that refer to it.
REFERRING = {
    "customer": [("rental", "customer_id"), ("payment", "customer_id")],
    "inventory": [("rental", "inventory_id")],
    "film": [("inventory", "film_id")],
    "rental": [("payment", "rental_id")],
}


@dataclass
class Session:
    """One connection to the source, and what it has done in its open transaction."""

    number: int
    cursor: Cursor
    state: State = field(default_factory=lambda: {table: {} for table in KEY})
    events: list[tuple[str, str, Row | None]] = field(default_factory=list)
    saved: list[tuple[State, list]] = field(default_factory=list)  # at BEGIN, then at each savepoint

    def begin(self) -> None:
        if not self.saved:
            self.cursor.execute("BEGIN")
            self.save()

    def save(self) -> None:
        self.saved.append((copy.deepcopy(self.state), list(self.events)))

    def restore(self) -> None:
        state, self.events = self.saved[-1][0], list(self.saved[-1][1])
        self.state = copy.deepcopy(state)

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
            self.note(table, key, key, old, new, bool(moved))

    def note(self, table: str, old_key: int, key: int, old: Row | None, new: Row, moved: bool) -> None:
        if moved:
            self.events += [(table, "D", old), (table, "I", new)]
            del self.state[table][old_key]
        else:
            self.events.append((table, "U" if old else "I", new))
        self.state[table][key] = new

    def rekey(self, table: str, key: int, pick: int) -> None:
        """A change of key, to one that nobody uses; refused where rows refer to it."""
        old = self.state[table].get(key)
        if not old or any(row[column] == key for child, column in REFERRING.get(table, ())
                          for row in self.state[child].values()):  # fmt: skip
            return
        new_key = key + 100 if key < 100 else key - 100
        statement = f"UPDATE {table} SET {KEY[table]} = {new_key} WHERE {KEY[table]} = {key}"
        if new_key not in self.state[table] and (new := self.run(table, statement, {})):
            self.note(table, key, new_key, old, new, True)

    def delete(self, table: str, key: int, pick: int) -> None:
        old = self.state[table].get(key)
        if old and self.run(table, f"DELETE FROM {table} WHERE {KEY[table]} = {key}", {}):
            self.events.append((table, "D", self.state[table].pop(key)))

    def savepoint(self, *_: object) -> None:
        self.begin()
        self.cursor.execute(f"SAVEPOINT s{len(self.saved)}")
        self.save()

    def rollback_to(self, *_: object) -> None:
        if len(self.saved) > 1:
            self.restore()
            self.saved.pop()
            self.cursor.execute(f"ROLLBACK TO s{len(self.saved)}")

    def rollback(self, *_: object) -> None:
        if self.saved:
            self.cursor.execute("ROLLBACK")
            self.saved = self.saved[:1]
            self.restore()
            self.saved.clear()

    def commit(self, *_: object) -> list[tuple]:
        """What the transaction leaves in the log."""
        if self.saved:
            self.cursor.execute("COMMIT")
        self.saved.clear()
        events, self.events = self.events, []
        return events


class Shop:
    """Three sessions that work side by side on keys of their own, and the true history."""

    def __init__(self, lab: Medallion) -> None:
        self.lab = lab
        options = {"cursor_factory": RealDictCursor, "options": "-c timezone=UTC -c lock_timeout=5s"}
        self.connections = [server.connect(lab.source_url, **options) for _ in range(3)]
        for connection in self.connections:
            connection.autocommit = True
        self.forget()

    def forget(self) -> None:
        """An empty shop, all of it captured."""
        self.sessions = [Session(n, c.cursor()) for n, c in enumerate(self.connections)]
        self.sessions[0].cursor.execute("TRUNCATE customer, film CASCADE")
        self.start = self.lab.capture().lsn
        self.truth: list[list[tuple]] = []
        self.committed: list[tuple[datetime, datetime]] = []

    def do(self, who: int, what: str, table: str, key: int, pick: int) -> None:
        session = self.sessions[who]
        if what == "capture":
            self.lab.capture()
        elif what == "truncate":
            self.truncate(session, table if pick < 2 else "payment")
        elif what == "commit":
            self.commit(session)
        else:
            getattr(session, what)(table, 3 * key + who, pick)

    def commit(self, session: Session) -> None:
        before = datetime.now(UTC)
        if events := session.commit():
            self.truth.append(events)
            self.committed.append((before, datetime.now(UTC)))

    def truncate(self, session: Session, table: str) -> None:
        """It waits for every other transaction, so they commit first."""
        if table not in TRUNCATED:
            return
        for other in self.sessions:
            if other is not session:
                self.commit(other)
        session.begin()
        session.cursor.execute(f"TRUNCATE {table} CASCADE")
        session.events += [(name, "T", None) for name in sorted(TRUNCATED[table])]
        for other in self.sessions:
            for name in TRUNCATED[table]:
                other.state[name].clear()
        self.commit(session)

    def bronze(self) -> list[tuple[int, datetime, list[tuple]]]:
        """By transaction in the order of lsn: its lsn, its time, its changes in the order of seq."""
        parts = " UNION ALL ".join(
            f"SELECT lsn, seq, commit_ts, '{table.name}', op, full_row "
            f"FROM bronze.br_{table.name}_cdc WHERE lsn > {self.start}" for table in CAPTURED)  # fmt: skip
        with self.lab.warehouse.connect() as connection:
            rows = connection.exec_driver_sql(f"{parts} ORDER BY lsn, seq").all()
        found: dict[int, tuple[int, datetime, list[tuple]]] = {}
        for lsn, seq, at, *event in rows:
            _, time, events = found.setdefault(lsn, (lsn, at, []))
            events.append(tuple(event))
            assert (seq, at) == (len(events), time), "seq has no gap, and a transaction one time"
        return list(found.values())


def in_json(events: list[tuple[str, str, Row | None]]) -> list[tuple]:
    """The tables of one TRUNCATE come in no order that is promised."""
    values = [(table, op, row and {name: float(v) if name in ("amount", "rental_rate", "replacement_cost")
                                   else v for name, v in row.items()}) for table, op, row in events]  # fmt: skip
    truncations = sorted((event for event in values if event[1] == "T"), key=str)
    return [event for event in values if event[1] != "T"] + truncations


@pytest.fixture
def shop(lab: Medallion) -> Iterator[Shop]:
    change(lab.source, BASE)
    made = Shop(lab)
    yield made
    for connection in made.connections:
        connection.close()


kinds = ["put"] * 12 + ["delete", "rekey", "savepoint", "rollback_to", "rollback"] + ["commit"] * 4 + [
    "truncate", "capture"]  # fmt: skip
actions = st.tuples(st.integers(0, 2), st.sampled_from(kinds), st.sampled_from(list(KEY)),
                    st.integers(0, 2), st.integers(0, len(TEXTS) - 1))  # fmt: skip


def check_random_transactions(shop: Shop, examples: int, record: Record) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(st.lists(actions, min_size=40, max_size=80))
    def holds(wishes: list[tuple[int, str, str, int, int]]) -> None:
        for session in shop.sessions:
            session.rollback()
        shop.forget()
        for who, key in product(range(3), range(3)):
            for table in ("film", "inventory", "customer", "rental"):
                shop.do(who, "put", table, key, who)
        for wish in wishes:
            shop.do(*wish)
        for session in shop.sessions:
            shop.commit(session)
        shop.lab.capture()
        landed = shop.bronze()
        assert [in_json(events) for _, _, events in landed] == [in_json(e) for e in shop.truth]
        times = [time for _, time, _ in landed]
        assert times == sorted(set(times)), "system time goes up with every transaction"
        for time, (before, after) in zip(times, shop.committed, strict=True):
            assert before - timedelta(milliseconds=5) <= time <= after + timedelta(milliseconds=5)
        changes = sum(len(events) for _, _, events in landed)
        seen.update({"random workloads": 1, "transactions": len(landed), "changes": changes})

    holds()
    for name, count in seen.items():
        record(name, count)


def test_bronze_is_what_random_transactions_committed(shop: Shop, record_property: Record) -> None:
    check_random_transactions(shop, 18, record_property)


@pytest.mark.slow
def test_bronze_is_what_thousands_of_random_transactions_committed(shop: Shop, record_property: Record) -> None:
    check_random_transactions(shop, 1500, record_property)


def test_a_commit_time_that_goes_back_is_landed_a_microsecond_after_the_last() -> None:
    """The server takes the time before the commit's place in the log is settled."""
    noon, tick = datetime(2023, 7, 1, 12, tzinfo=UTC), timedelta(microseconds=1)
    watermark = Watermark(lsn=0, commit_ts=None, slot="", source_system=0, source_name="", publication="", business_time=False)
    given = [noon, noon, noon - 1400 * tick, noon + tick, noon + 9 * tick]
    assert [watermark.advance(at) for at in given] == [noon + n * tick for n in (0, 1, 2, 3, 9)]
