"""Random changes of the shop's tables, put into bronze as capture lands them, and what they mean.

The model is plain Python: it keeps what every row was after each transaction, and what a look-up
found when a row first named another.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from medallion_lib.bronze import erasing, layout
from medallion_lib.shop import TABLES
from medallion_lib.silver import merge
from medallion_lib.system_time import functions

START = datetime(2023, 1, 1, 12, tzinfo=UTC)
AT_A_TIME = 100  # positions for each transaction
Row = dict[str, Any]
State = dict[str, dict[int, Row]]
BRONZE = [f"bronze.br_{name}_cdc" for name in ("customer", "film", "inventory", "rental", "payment")]
ASKED = {  # each history, and what of it the model knows
    "dim_customer_hist": ("customer", "customer_id, email"),
    "fact_rental": ("rental", "rental_id, inventory_id, film_id, store_id"),
    "fact_payment": ("payment", "payment_id, rental_id, store_id"),
}


class Change(NamedTuple):
    """One row put, touched or deleted, or a table emptied where there is no key."""

    table: str
    key: int | None
    value: int | None  # None deletes; 0 touches what no history tracks


NAMING = {"rental": "inventory_id", "payment": "rental_id"}  # what a look-up goes by


class Erased(NamedTuple):
    """A row that was erased, or columns of it; `until` the transaction that deleted it at the source."""

    table: str
    key: int
    columns: tuple[str, ...]
    until: int | None


KINDS = [("customer", 3), ("inventory", 3), ("rental", 4), ("payment", 4)]
ONE = st.sampled_from(KINDS).flatmap(lambda kind: st.builds(
    Change, st.just(kind[0]), st.integers(1, kind[1]), st.sampled_from([None, 0, 1, 2, 3])))
EMPTIED = st.builds(Change, st.sampled_from(["customer", "inventory"]), st.none(), st.none())
HISTORIES = st.lists(st.lists(st.one_of(ONE, ONE, ONE, ONE, ONE, ONE, ONE, EMPTIED), min_size=1, max_size=3), min_size=4, max_size=24)


def at(number: float) -> datetime:
    """When the transaction of this number committed."""
    return START + timedelta(seconds=number)


def row_of(table: str, key: int, value: int) -> Row:
    """As the log has it."""
    if table == "customer":
        return {"customer_id": key, "store_id": 1, "first_name": "A", "last_name": "B", "email": f"e{value}@example.org",
                "address_id": 1, "activebool": True, "create_date": "2020-01-01"}  # fmt: skip
    if table == "inventory":
        return {"inventory_id": key, "film_id": key, "store_id": value}
    if table == "rental":
        return {"rental_id": key, "rental_date": f"2023-0{key}-05 12:00:00+00", "return_date": None, "customer_id": 1,
                "inventory_id": value, "staff_id": 1}  # fmt: skip
    return {"payment_id": key, "payment_date": f"2023-0{key}-06 12:00:00+00", "amount": "1.00", "customer_id": 1,
            "rental_id": value, "staff_id": 1}  # fmt: skip


class World:
    """A warehouse whose bronze is written as capture would, and what it must answer."""

    def __init__(self, warehouse: Connection) -> None:
        self.warehouse = warehouse
        self.states: list[State] = [{name: {} for name, _ in KINDS}]  # after each transaction
        self.found: dict[tuple[str, int, int], Row] = {}  # what a look-up found at first
        self.gone: set[tuple[str, int]] = set()
        self.horizon = at(-1)
        self.erased: list[Erased] = []
        self._empty()

    @property
    def now(self) -> int:
        return len(self.states) - 1

    def _empty(self) -> None:
        with self.warehouse, self.warehouse.cursor() as cursor:
            cursor.execute("SELECT string_agg(inhrelid::regclass::text, ', ') FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
                           "WHERE inhparent IN ('silver.fact_rental'::regclass, 'silver.fact_payment'::regclass) "
                           "AND relname NOT LIKE '%default'")  # fmt: skip
            if months := cursor.fetchone()[0]:
                cursor.execute(f"DROP TABLE {months}")
            histories = ", ".join(f"silver.{name}" for name in (*ASKED, "dim_film_hist"))
            cursor.execute(f"TRUNCATE {', '.join(BRONZE)}, {histories}, meta.watermark, meta.horizon, meta.erasure")
            cursor.execute("INSERT INTO meta.watermark (stage, lsn) VALUES ('capture', 0)")
            layout.index_missing(cursor, TABLES.captured)
            functions.regenerate(self.warehouse)

    def play(self, transactions: list[list[Change]]) -> None:
        """Let bronze have these, and merge them."""
        rows: dict[str, list[tuple]] = {}
        for changes in transactions:
            state, number = copy.deepcopy(self.states[-1]), self.now + 1
            for seq, (table, op, row) in enumerate(self._landed(state, changes), 1):
                text = None if row is None else json.dumps(row)
                rows.setdefault(table, []).append((number * AT_A_TIME, seq, op, text, at(number)))
            self.states.append(state)
            self.erased = [each._replace(until=number) if each.until is None and each.key not in state[each.table] else each
                           for each in self.erased]  # fmt: skip
        with self.warehouse, self.warehouse.cursor() as cursor:
            for table, its in rows.items():
                execute_values(cursor, f"INSERT INTO bronze.br_{table}_cdc (lsn, seq, op, full_row, commit_ts) VALUES %s", its)
            names = {table.name: table for table in TABLES.captured}
            erasing.erase_again(cursor, {names[table]: its[0][0] for table, its in rows.items()})
            erasing.end(cursor)
            cursor.execute("UPDATE meta.watermark SET lsn = %s, commit_ts = %s WHERE stage = 'capture'",
                           (self.now * AT_A_TIME + 1, at(self.now)))  # fmt: skip
        merge.merge(self.warehouse)

    def _landed(self, state: State, changes: list[Change]) -> Iterator[tuple[str, str, Row | None]]:
        seen = set()
        for table, key, value in changes:
            rows = state[table]
            if table in NAMING and (table, key) in seen:
                continue  # it would name a row that no version does
            seen.add((table, key))
            if key is None:
                self.gone |= {(table, each) for each in rows}
                rows.clear()
                yield table, "T", None
            elif value is None:
                if key in rows:
                    self.gone.add((table, key))
                    yield table, "D", self._logged(rows.pop(key))
            elif value == 0:
                if key in rows:
                    rows[key] = rows[key] | {"last_update": rows[key].get("last_update", 0) + 1}
                    yield table, "U", self._logged(rows[key])
            elif table == "customer" or (table, key) not in self.gone:  # what comes back is looked up anew
                op = "U" if key in rows else "I"
                rows[key] = row_of(table, key, value) | self._looked_up(state, table, key, value)
                yield table, op, self._logged(rows[key])

    def _looked_up(self, state: State, table: str, key: int, value: int) -> Row:
        """What is known of the row that is named, when it is first named, under names of its own."""
        if table not in ("rental", "payment"):
            return {}
        other = state["inventory"].get(value, {}) if table == "rental" else state["rental"].get(value, {})
        named = {"film": other.get("film_id", other.get("film")), "store": other.get("store_id", other.get("store"))}
        return self.found.setdefault((table, key, value), named)

    @staticmethod
    def _logged(row: Row) -> Row:
        return {name: value for name, value in row.items() if name not in ("film", "store")}

    def cut(self, number: int) -> None:
        """What was named before a transaction alone, and not since, is looked up anew."""
        self.horizon = max(self.horizon, at(number))
        for table, key, value in [*self.found]:
            rows = [state[table].get(key, {}) for state in self.states[number:]]
            if all(row.get(NAMING[table]) != value for row in rows):
                del self.found[table, key, value]

    def expected(self, history: str, number: int) -> list[tuple]:
        """The rows of a history as of a transaction."""
        table, columns = ASKED[history]
        names = {"film_id": "film", "store_id": "store"}
        rows = dict(self.states[number][table])
        for each in self.erased:
            if each.table == table and each.key in rows and (each.until is None or number < each.until):
                row = rows.pop(each.key)
                if each.columns:
                    rows[each.key] = row | dict.fromkeys(each.columns)
        return sorted(tuple(row[names.get(name, name)] for name in columns.split(", ")) for row in rows.values())

    def erase(self, table: str, key: int, columns: tuple[str, ...]) -> None:
        """Expect nothing of a row, or of these columns, until it is deleted at the source."""
        until = None if key in self.states[-1][table] else self.now + 1
        self.erased.append(Erased(table, key, columns, until))

    def answered(self, history: str, number: float) -> list[tuple]:
        with self.warehouse, self.warehouse.cursor() as cursor:
            cursor.execute(f"SELECT {ASKED[history][1]} FROM silver.{history}__as_of(%s)", (at(number),))
            return sorted(cursor.fetchall())
