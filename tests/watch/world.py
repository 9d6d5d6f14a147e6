"""Random tables in one source, what they held at many instants, and their history in a warehouse."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from random import Random

import kinds
import psycopg2
from kinds import literal, quoted
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from random_tables import NUMBER, Column, Plan, T, Transaction

from medallion_lib import Medallion, server
from medallion_lib.tables import Table, Tables
from medallion_lib.table import SYSTEM_COLUMNS

SCHEMAS = ("public", 'Of "two" %s.é', "ü" * 31)
# What tables' names begin with.
NAMES = ("t", "Größe 😀", "o'clock \"x\" \\ 100% %s {} $1", "select", "line\nbreak\t", "a.b", "UPPER", "row_hash", "t0_hist",
         "ü" * 30, "x" * 60, "x" * 56, "br_t0_cdc", "t0_current", "t0__as_of")  # fmt: skip


@dataclass
class Shown:
    """The rows of a table at an instant, as texts."""

    at: str
    columns: tuple[Column, ...]
    rows: list[list[str]]


@dataclass(eq=False)
class Played:
    """A table at the source: its plan, its names, and copies of its rows."""

    plan: Plan
    number: int
    copies: list[Shown] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # what was done, to be told where it goes wrong
    is_altered: bool = False  # since the last capture
    was_altered: bool = False  # ever

    def __post_init__(self) -> None:
        self.columns = self.plan.columns  # as they are now

    @property
    def schema(self) -> str:
        return SCHEMAS[self.number % len(SCHEMAS)]

    @property
    def name(self) -> str:
        place = self.number // len(SCHEMAS)
        return NAMES[place % len(NAMES)] + str(place or "")

    def named(self, statement: str) -> str:
        """A statement of this table: the place of its name filled, and those of its partitions."""
        def of(found: re.Match[str]) -> str:
            return quoted(self.schema, f"part {found[1]} of {self.number}" if found[1] else self.name)
        return re.sub(T + "([0-9]?)", of, statement).replace(NUMBER, str(self.number))


@dataclass
class World:
    """One source with its warehouse. Everything is done by this process, one after the other."""

    lab: Medallion
    at_source: Cursor  # in autocommit
    tables: list[Played]
    random: Random

    def make(self) -> None:
        """The tables and their first rows."""
        for schema in SCHEMAS[1:]:
            self.at_source.execute(f"CREATE SCHEMA {quoted(schema)}")
        for table in self.tables:
            plan = table.plan
            ddl = [plan.ddl[0] + plan.partitions[0], *plan.partitions[1:], *plan.ddl[1:]] if plan.partitions else []
            if not ddl or not self._all(table, ddl):
                whole = [each for each in plan.ddl if f"{T}1" not in each]
                assert self._all(table, whole), table.log
            self.transact([(table, plan.first)])

    def _all(self, table: Played, statements: Iterable[str]) -> bool:
        """All of them or none."""
        mark, self.at_source.connection.autocommit = len(table.log), False
        try:
            for each in statements:
                table.log.append(table.named(each))
                self.at_source.execute(table.log[-1])
            self.at_source.connection.commit()
            return True
        except psycopg2.Error as problem:
            self.at_source.connection.rollback()
            table.log[mark:] = [f"-- {problem}".replace("\n", " ")]
            return False
        finally:
            self.at_source.connection.autocommit = True

    def capture(self) -> None:
        self.lab.capture()
        for table in self.tables:
            table.is_altered = False

    def merge(self) -> None:
        """Up to any position, of a transaction or within one."""
        with server.session(self.lab.warehouse_url) as cursor:
            cursor.execute("SELECT min(lsn), max(lsn) FROM meta.watermark")
            reached = cursor.fetchone()
        self.lab.merge(self.random.randint(*reached))

    def histories(self) -> list[Table]:
        """The tables as the warehouse knows them now, in this order."""
        with server.session(self.lab.warehouse_url) as cursor:
            known = {(each.schema, each.name): each for each in Tables.read(cursor).each}
        return [known[table.schema, table.name] for table in self.tables]

    def versions(self) -> dict[str, int]:
        """How many each history has, of tables whose columns stayed as they were."""
        histories = [known.silver.as_string(self.at_source) for table, known in zip(self.tables, self.histories(), strict=True)
                     if known.history and not table.was_altered]  # fmt: skip
        counts = " UNION ALL ".join(f"SELECT {literal(each)}, count(*) FROM {each}" for each in histories)
        with server.session(self.lab.warehouse_url) as cursor:
            cursor.execute(counts)
            return dict(cursor.fetchall())

    def begin(self) -> None:
        """The snapshot is taken, and history begins."""
        for table in self.tables:
            table.copies.clear()
            self.copy(table)

    def play(self) -> Iterator[None]:
        """Everything that becomes of the tables, in transactions of one to three of them."""
        for place in range(max(len(each.plan.then) for each in self.tables)):
            due = [each for each in self.tables if place < len(each.plan.then)]
            self.random.shuffle(due)
            while due:
                end, count = due[-1].plan.then[place].is_committed, self.random.randint(1, 3)
                group = [each for each in due if each.plan.then[place].is_committed is end][-count:]
                due = [each for each in due if each not in group]
                self.transact([(each, each.plan.then[place]) for each in group])
            yield

    def transact(self, parts: Sequence[tuple[Played, Transaction]]) -> None:
        """One transaction, and copies of its tables after it."""
        if any(table.is_altered and transaction.altered for table, transaction in parts):
            self.capture()  # a name that a column had in between is not known afterwards
        end = "COMMIT" if parts[0][1].is_committed else "ROLLBACK"
        sent = ["BEGIN"]
        for table, transaction in parts:
            table.log.append("BEGIN;")
            for step in transaction.steps:
                statement = table.named(step.statement)
                sent.append(statement if step.columns else attempt(statement, step.is_undone))
                table.log.append(f"    {statement};{'  -- undone' if step.is_undone else ''}")
            table.log.append(f"{end};")
        self.at_source.execute(";\n".join([*sent, end]))
        for table, transaction in parts if end == "COMMIT" else ():
            table.is_altered |= bool(transaction.altered)
            table.was_altered |= table.is_altered
            table.columns = transaction.altered or table.columns
        for table, _ in parts:
            self.copy(table)

    def copy(self, table: Played) -> None:
        columns = (*table.columns, *table.plan.filled)
        self.at_source.execute(table.named(
            f"SELECT clock_timestamp()::text, ARRAY(SELECT {texts([quoted(each.name) for each in columns])} FROM {T})"))
        at, rows = self.at_source.fetchone()
        table.copies.append(Shown(at, columns, rows))
        table.log.append(f"-- copied at {at}")

    def differences(self) -> list[str]:
        """Where a history is not what its table is or was, behind what was done to that."""
        found, now = [], self.lab.verify()
        self.lab.merge()  # what the log has after what is compared
        for table, known in zip(self.tables, self.histories(), strict=True):
            assert bool(known.history) is table.plan.has_key, table.log
            of_it = [line for line in now if line.startswith(f"{known.shown_history}, ")]
            if lines := [*of_it, *(self._differences if known.history else self._miscounted)(table, known)]:
                found.append("\n".join(["", *table.log, *lines]))
        return found or now

    def _differences(self, table: Played, known: Table) -> Iterator[str]:
        names = {each.number: {} for copy in table.copies for each in copy.columns}
        for copy in table.copies:
            for each in copy.columns:
                names[each.number][known.in_silver(each.name)] = None
        history = quoted(known.silver_schema, self.random.choice([known.history, known.history.removesuffix("_hist")]))
        with self.lab.warehouse.connect() as connection:
            there = {*connection.exec_driver_sql("SELECT * FROM " + history.replace("%", "%%") + " LIMIT 0").keys()} - {*SYSTEM_COLUMNS}
            # A new name, and a column that came later, are in silver with the first row that has them.
            last = {number: next((name for name in reversed(each) if name in there), None) for number, each in names.items()}
            assert all(last[each.number] for each in table.copies[0].columns), table.log
            kept = [[bool(last[each.number]) for each in copy.columns] for copy in table.copies]
            queries = [f"(SELECT {number}, {texts([quoted(last[each.number]) for each in compress(copy.columns, kept[number])])} "
                       f"FROM {history} FOR SYSTEM_TIME AS OF {literal(copy.at)})" for number, copy in enumerate(table.copies)]  # fmt: skip
            told: list[list[str]] = [[] for _ in table.copies]
            for number, row in connection.exec_driver_sql(" UNION ALL ".join(queries).replace("%", "%%")):
                told[number].append(row)
        for copy, which, rows in zip(table.copies, kept, told, strict=True):
            then = [[*compress(row, which)] for row in copy.rows]
            if sorted(rows) != sorted(then):
                yield f"{known.shown_history} as of {copy.at}: {sorted(rows)}, and at the source {sorted(then)}"

    def _miscounted(self, table: Played, known: Table) -> Iterator[str]:
        """Where the changes of a table without key do not add up to its rows."""
        query = sql.SQL("SELECT op, full_row::text, commit_ts::text FROM {} ORDER BY lsn, seq").format(known.bronze)
        with server.session(self.lab.warehouse_url) as cursor:
            cursor.execute(query)
            changes = cursor.fetchall()
        for copy in table.copies:
            rows: Counter[str] = Counter()
            for op, row, at in changes:
                if op == "T" and at <= copy.at:
                    rows.clear()
                elif at <= copy.at:
                    rows[row] += -1 if op == "D" else 1
            if rows.total() != len(copy.rows):
                yield f"{known.shown} as of {copy.at}: {+rows}, and at the source {copy.rows}"


def texts(columns: Sequence[str]) -> str:
    """SQL of a row's values, each as its type writes it: no value, and a text without letters, too."""
    return f"ARRAY[{', '.join(f'ROW({name})::text' for name in columns)}]"


def attempt(statement: str, is_undone: bool) -> str:
    """SQL that does what may fail, and then does nothing."""
    undone = "RAISE EXCEPTION 'undone'; " if is_undone else ""
    body = f"BEGIN {statement}; {undone}EXCEPTION WHEN OTHERS THEN NULL; END"
    return f"DO $do$ {body} $do$"


@contextmanager
def world(lab: Medallion, source: object, plans: Sequence[Plan], seed: int) -> Iterator[World]:
    connection = server.connect(source)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(kinds.MADE)
            cursor.execute("SET search_path = public")
            yield World(lab, cursor, [Played(plan, number) for number, plan in enumerate(plans)], Random(seed))
    finally:
        connection.close()
