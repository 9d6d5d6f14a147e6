"""Whatever columns a source adds, drops, renames and widens, history says what it had then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from evolving import asked, begin, end, run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from medallion_lib import Medallion, MedallionError, server
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(2)

KINDS = ("text", "smallint", "varchar(3)", "numeric(4,1)", "boolean", "integer[]", "date")
VALUES = {"boolean": ("true", "false"), "integer[]": ("{1,2}", "{}"), "date": ("2024-02-29", "infinity")}
WIDER = {"smallint": "integer", "integer": "bigint", "bigint": "numeric", "varchar(3)": "varchar(9)",
         "varchar(9)": "text", "numeric(4,1)": "numeric(8,1)", "numeric(8,1)": "numeric"}  # fmt: skip
PICK = st.integers(0, 9)
WRITES = [st.tuples(st.just(what), PICK, PICK) for what in ("insert", "update", "touch", "delete")]
DDL = [st.tuples(st.just(what), PICK, PICK) for what in ("add", "drop", "rename", "widen")]
WORK = [st.tuples(st.just(what), PICK, PICK) for what in ("copy", "copy", "capture", "merge")]
STEPS = st.lists(st.one_of(*WRITES, *WRITES, *DDL, *WORK), min_size=5, max_size=25)
COLUMNS = """
SELECT clock_timestamp()::text, (SELECT json_object_agg(attnum, attname) FROM pg_attribute
                                 WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped)
"""


@dataclass
class Source:
    """A table whose columns change, by its own word: copies of its rows, by the columns' numbers."""

    lab: Medallion
    names: dict[int, str] = field(default_factory=lambda: {1: "id", 2: "c2", 3: "c3"})
    kinds: dict[int, str] = field(default_factory=lambda: {1: "integer", 2: "text", 3: "smallint"})
    written: set[int] = field(default_factory=lambda: {1, 2, 3})  # columns that some row has been written with
    filled: set[int] = field(default_factory=set)  # with a DEFAULT that capture has not seen
    lost: set[int] = field(default_factory=set)  # whose DEFAULT it can't see any more
    copies: list[tuple[str, dict[str, dict[int, str | None]]]] = field(default_factory=list)
    fresh: int = 3

    def do(self, what: str, one: int, other: int) -> None:
        getattr(self, what)(one, other)

    def _row(self, statement: str) -> None:
        with server.session(self.lab.source_url) as cursor:
            cursor.execute(statement)
            self.written |= {*self.names} if cursor.rowcount else set()

    def _value(self, number: int, pick: int) -> str:
        kind = self.kinds[number]
        value = VALUES.get(kind, (str(pick), str(pick % 3)))[pick % 2]
        return "NULL" if pick % 4 == 3 else f"'{value}'"

    def insert(self, key: int, pick: int) -> None:
        others = [number for number in self.names if number > 1]
        names = ", ".join(self.names[number] for number in (1, *others))
        values = ", ".join([str(key % 5), *(self._value(number, pick + number) for number in others)])
        self._row(f"INSERT INTO t ({names}) VALUES ({values}) ON CONFLICT DO NOTHING")

    def update(self, key: int, pick: int) -> None:
        others = [number for number in self.names if number > 1]
        if others:
            number = others[pick % len(others)]
            self._row(f"UPDATE t SET {self.names[number]} = {self._value(number, pick)} WHERE {self.names[1]} <= {key % 5}")

    def touch(self, key: int, pick: int) -> None:
        self._row(f"UPDATE t SET {self.names[1]} = {self.names[1]} WHERE {self.names[1]} = {key % 5}")

    def delete(self, key: int, pick: int) -> None:
        self._row(f"DELETE FROM t WHERE {self.names[1]} = {key % 5}")

    def _alter(self, change: str) -> None:
        run(self.lab, f"ALTER TABLE t {change}")

    def add(self, one: int, pick: int) -> None:
        kind, self.fresh = KINDS[one % len(KINDS)], self.fresh + 1
        # A partition numbers its columns as its root does; so does the copy.
        number = asked(self.lab, "SELECT max(attnum) + 1 FROM pg_attribute WHERE attrelid = 't'::regclass", False)[0][0]
        self.names[number], self.kinds[number] = f"c{self.fresh}", kind
        default = f" DEFAULT {self._value(number, pick)}" if pick % 2 else ""
        self._alter(f"ADD c{self.fresh} {kind}{default}")
        if default and "NULL" not in default:
            self.filled.add(number)

    def _chosen(self, one: int, first: int = 2) -> int | None:
        numbers = [number for number in self.names if number >= first]
        return numbers[one % len(numbers)] if numbers else None

    def drop(self, one: int, other: int) -> None:
        if number := self._chosen(one):
            self._alter(f"DROP {self.names.pop(number)}")
            self.lost |= {number} & self.filled

    def rename(self, one: int, other: int) -> None:
        number, self.fresh = self._chosen(one, 1), self.fresh + 1
        self._alter(f"RENAME {self.names[number]} TO c{self.fresh}")
        self.names[number] = f"c{self.fresh}"

    def widen(self, one: int, other: int) -> None:
        number = self._chosen(one)
        if number and (kind := WIDER.get(self.kinds[number])):
            self._alter(f"ALTER {self.names[number]} TYPE {kind}")
            self.kinds[number] = kind
            if not kind.startswith(("varchar", "text")):  # else the table is not written anew
                self.lost |= self.filled

    def copy(self, one: int, other: int) -> None:
        with server.session(self.lab.source_url) as cursor:
            cursor.execute(COLUMNS)
            instant, columns = cursor.fetchone()
            texts = ", ".join(f"{name}::text" for name in columns.values())
            cursor.execute(f"SELECT {texts} FROM t")
            rows = [dict(zip(map(int, columns), row, strict=True)) for row in cursor.fetchall()]
        self.copies.append((instant, {row[1]: row for row in rows}))

    def capture(self, one: int, other: int) -> None:
        seen = len(self.copies)
        try:
            self.lab.capture()
        except MedallionError as refusal:
            assert "Which columns of t the log means" in str(refusal)
            (reached,), = asked(self.lab, "SELECT commit_ts::text FROM meta.watermark WHERE stage = 'capture'")
            self.copies = [copy for copy in self.copies if copy[0] <= reached]
            self.lab.capture(resnapshot=True, yes=True)
            assert seen >= len(self.copies)
        self.filled -= self.written

    def merge(self, one: int, other: int) -> None:
        self.lab.merge()

    def check(self) -> None:
        """Silver as of each copy's instant, in the columns that the copy has and a row was written with."""
        with server.session(self.lab.warehouse_url) as cursor:
            (table,) = Tables.read(cursor).each
            columns = {column.number: column.name for column in table.columns}
            for instant, copied in self.copies:
                texts = ", ".join(f'"{name}"::text' for name in columns.values())
                cursor.execute(f"SELECT {texts} FROM silver.t_hist__as_of(%s)", (instant,))
                found = {row[1]: row for row in (dict(zip(columns, each, strict=True)) for each in cursor.fetchall())}
                assert found.keys() == copied.keys()
                for key, row in copied.items():
                    for number in row.keys() - self.lost:
                        assert number in columns or number not in self.written
                        if number in columns:
                            assert found[key][number] == row[number], (instant, key, number)


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    lab = Medallion.open(f"at_random_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    yield lab
    end(lab)


def follow(lab: Medallion, steps: list[tuple[str, int, int]], is_whole: bool, in_parts: bool) -> None:
    parts = " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (3); " \
            "CREATE TABLE t_2 PARTITION OF t DEFAULT" if in_parts else ""  # fmt: skip
    leaves = ("t_1", "t_2") if in_parts else ("t",)
    whole = "".join(f"; ALTER TABLE {leaf} REPLICA IDENTITY FULL" for leaf in leaves if is_whole)
    begin(lab, f"CREATE TABLE t (id integer PRIMARY KEY, c2 text, c3 smallint){parts}{whole}; "
               "INSERT INTO t VALUES (0, 'a', 1), (1, NULL, 2), (3, 'b', NULL)",
          Table("t", ("id",), history="t_hist"))  # fmt: skip
    source = Source(lab)
    for step in steps:
        source.do(*step)
    source.copy(0, 0)
    source.capture(0, 0)
    if source.lost:
        lab.capture(resnapshot=True, yes=True)
    lab.merge()
    source.check()
    assert lab.verify() == []
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0)]
    source.check()


KINDLY = {"phases": [Phase.generate], "deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=3, **KINDLY)
@given(steps=STEPS, is_whole=st.booleans(), in_parts=st.booleans())
def test_as_of_any_instant_a_history_has_what_its_source_had_whatever_became_of_its_columns(
    lab: Medallion, steps: list[tuple[str, int, int]], is_whole: bool, in_parts: bool
) -> None:
    """Columns added, dropped, renamed and widened at random among changes, captures and merges."""
    follow(lab, steps, is_whole, in_parts)


@pytest.mark.slow
@settings(max_examples=1_220, **KINDLY)
@given(steps=STEPS, is_whole=st.booleans(), in_parts=st.booleans())
def test_whatever_became_of_its_columns_in_many_more_orders(
    lab: Medallion, steps: list[tuple[str, int, int]], is_whole: bool, in_parts: bool
) -> None:
    follow(lab, steps, is_whole, in_parts)
