"""Random tables, and random changes of them: as SQL, with a place for the table's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import kinds
from hypothesis import strategies as st
from kinds import literal, quoted

T = "\x01"  # stands for the table's name in SQL, and with a number behind it for a partition's
NUMBER = "\x02"  # stands for the table's own
NAMES = (
    "id", "Größe 😀", "o'clock \"x\" \\ 100% %s %(key)s {} {0} $1", "select", "line\nbreak\t", "a.b", "UPPER",
    " ", "-- ;", ":x", "ü" * 31, "x" * 63, "x" * 62, "null", "user", "x_hist", "row_hash", "sys_start", "sys_end",
    "sys_period", "lsn", "seq", "op", "full_row", "commit_ts", "load_ts", "row_key_1", "is_newest", "row_before",
    "first_change", "merge_action", "hist", "newest", "old", "landed", "version", "before", "expected", "found",
    "source", "key", "value", "it's", "\\",
)  # fmt: skip


# What a type may become: each value stays, and is written as it was.
WIDER = {
    "smallint": ("integer", "bigint", "numeric"), "integer": ("bigint", "numeric"), "bigint": ("numeric",),
    "numeric(6, 2)": ("numeric",), "numeric(3, -2)": ("numeric",), "varchar(9)": ("text", "character varying"),
    "varchar(3)[]": ("text[]",), "timestamp(0)": ("timestamp",), "bit varying(4)": ("bit varying",),
    "numeric(6, 2)[]": ("numeric[]",), f"{kinds.SCHEMA}.positive": ("integer", "bigint"),
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    is_key: bool
    number: int  # which column of its table it is, whatever its name

    @property
    def declared(self) -> str:
        return f"{quoted(self.name)} {self.kind}{' NOT NULL' if self.is_key else ''}"


@dataclass(frozen=True)
class Step:
    statement: str
    is_undone: bool = False  # by a savepoint
    columns: tuple[Column, ...] = ()  # after it, where it alters them


@dataclass(frozen=True)
class Transaction:
    steps: list[Step]
    is_committed: bool = True

    @property
    def altered(self) -> tuple[Column, ...] | None:
        """The columns after it, where it alters them."""
        found = [step.columns for step in self.steps if step.columns and not step.is_undone]
        return found[-1] if found and self.is_committed else None


@dataclass
class Plan:
    """A table yet to be named, its rows before the snapshot, and what becomes of it."""

    columns: tuple[Column, ...]
    filled: tuple[Column, ...]  # further ones
    ddl: list[str]
    partitions: list[str]  # may be refused: then the table has none
    first: Transaction
    then: list[Transaction]

    @property
    def has_key(self) -> bool:
        return any(" KEY " in each or "UNIQUE" in each for each in self.ddl)


def names(columns: Sequence[Column]) -> str:
    return ", ".join(quoted(each.name) for each in columns)


@st.composite
def rows(draw: Callable, columns: Sequence[Column]) -> list[str]:
    """A literal for each of the columns."""
    row = []
    for each in columns:
        can_be_null = not each.is_key and not each.kind.endswith(".deep")
        is_null = not kinds.ALL[each.kind] or (can_be_null and draw(st.integers(0, 5)) == 0)
        row.append(literal(None if is_null else draw(kinds.values(each.kind))))
    return row


def some_row(draw: Callable) -> str:
    """A condition on one row, by its place in the order of their texts."""
    place = draw(st.integers(0, 3))
    return (f"(tableoid, ctid) = (SELECT tableoid, ctid FROM {T} AS t ORDER BY t::text COLLATE \"C\" "
            f"OFFSET {place} % greatest(1, (SELECT count(*) FROM {T})) LIMIT 1)")  # fmt: skip


@st.composite
def changes(draw: Callable, columns: Sequence[Column], parts: int) -> Step:
    keys = [each for each in columns if each.is_key]
    what = draw(st.sampled_from(["insert"] * 6 + ["upsert"] * 3 + ["update"] * 3 + ["move"] * 2 + ["whole"] * 2 + ["delete"] * 2 + ["empty", "truncate"]))
    set_ = ", ".join
    row = draw(rows(columns))
    pairs = [f"{quoted(each.name)} = {value}" for each, value in zip(columns, row, strict=True)]
    others = [pair for pair, each in zip(pairs, columns, strict=True) if not each.is_key] or pairs
    some = others[: draw(st.integers(1, len(others)))]
    excluded = set_(f"{quoted(each.name)} = excluded.{quoted(each.name)}" for each in columns)
    values = f"({names(columns)}) VALUES ({set_(row)})"
    more = [f", ({set_(draw(rows(columns)))})" for _ in range(draw(st.integers(0, 2)))] if what == "insert" else []
    part = draw(st.integers(0, parts))
    statement = {
        "insert": f"INSERT INTO {T} {values}{''.join(more)} ON CONFLICT DO NOTHING",
        "upsert": f"INSERT INTO {T} {values} ON CONFLICT ({names(keys)}) DO UPDATE SET {excluded}",
        "update": f"UPDATE {T} SET {set_(some)} WHERE {some_row(draw)}",
        "move": f"UPDATE {T} SET {set_(pairs)} WHERE {some_row(draw)}",
        "whole": f"UPDATE {T} SET {set_(some)}",
        "delete": f"DELETE FROM {T} WHERE {some_row(draw)}",
        "empty": f"DELETE FROM {T}",
        "truncate": f"TRUNCATE {T}{part or ''}",
    }[what]
    return Step(statement, draw(st.integers(0, 9)) == 9)


@st.composite
def alterations(draw: Callable, columns: Sequence[Column], parted_by: Column | None, used: set[str]) -> Step:
    """One column added, dropped, renamed or widened."""
    free, others = [each for each in NAMES if each not in used], [each for each in columns if not each.is_key]
    fixed = [each for each in columns if each.number != (parted_by and parted_by.number)]
    what = draw(st.sampled_from(["add", "add", "default", *["drop"] * bool(others), *["rename", "widen"] * bool(fixed)]))
    alter, new = f"ALTER TABLE {T} ", draw(st.sampled_from(free))
    if what in ("add", "default"):
        used.add(new)
        takes = [each for each in kinds.ALL if each not in (kinds.FILLING if what == "add" else kinds.NO_DEFAULT)]
        added = Column(new, draw(st.sampled_from(takes)), False, max(each.number for each in columns) + len(used))
        (value,) = draw(rows([added])) if what == "default" else ("NULL",)
        default = f" DEFAULT {value}" * (what == "default")
        return Step(f"{alter}ADD {added.declared}{default}", columns=(*columns, added))
    one = draw(st.sampled_from(others if what == "drop" else fixed))
    if what == "drop":
        return Step(f"{alter}DROP {quoted(one.name)}", columns=tuple(each for each in columns if each != one))
    if what == "rename":
        used.add(new)
        now = replace(one, name=new)
        statement = f"{alter}RENAME {quoted(one.name)} TO {quoted(new)}"
    else:
        now = replace(one, kind=draw(st.sampled_from(WIDER.get(one.kind, (one.kind,)))))
        statement = f"{alter}ALTER {quoted(one.name)} TYPE {now.kind}"
    return Step(statement, columns=tuple(now if each == one else each for each in columns))


@st.composite
def histories(draw: Callable, columns: tuple[Column, ...], parts: int, parted_by: Column | None) -> list[Transaction]:
    """Transactions, some of which alter the columns."""
    made, used = [], {each.name for each in columns}
    for _ in range(draw(st.integers(2, 6))):
        now, some = columns, []
        alter_at = draw(st.integers(0, 9))
        for place in range(draw(st.integers(1, 4))):
            if place == alter_at and len(used) < 30:
                some.append(draw(alterations(now, parted_by, used)))
                now = some[-1].columns
            some.append(draw(changes(now, parts)))
        made.append(Transaction(some, draw(st.integers(0, 7)) < 7))
        columns = made[-1].altered or columns
    return made


def divided(draw: Callable, column: Column) -> list[str]:
    """Partitions of two or three leaves, by a column of the key; none, more often."""
    def by(way: str) -> str:
        return f" PARTITION BY {way} ({quoted(column.name)})"

    def hashed(of: str, first: int) -> list[str]:
        return [f"CREATE TABLE {T}{first + n} PARTITION OF {T}{of} FOR VALUES WITH (MODULUS 2, REMAINDER {n})" for n in (0, 1)]

    value = literal(draw(kinds.values(column.kind)))
    low, rest = f"CREATE TABLE {T}1 PARTITION OF {T} FOR VALUES FROM (MINVALUE) TO ({value})", f"CREATE TABLE {T}2 PARTITION OF {T} DEFAULT"
    return {
        "none": [],
        "hash": [by("HASH"), *hashed("", 1)],
        "list": [by("LIST"), f"CREATE TABLE {T}1 PARTITION OF {T} FOR VALUES IN ({value})", rest],
        "range": [by("RANGE"), low, f"CREATE TABLE {T}2 PARTITION OF {T} FOR VALUES FROM ({value}) TO (MAXVALUE)"],
        "both": [by("RANGE"), low, f"CREATE TABLE {T}9 PARTITION OF {T} DEFAULT{by('HASH')}", *hashed("9", 2)],
    }[draw(st.sampled_from(["none", "none", "none", "hash", "list", "range", "both"]))]  # fmt: skip


# Columns that no statement here names. The last is in no log, so in no history.
FILLED = {
    "by itself": "bigint GENERATED ALWAYS AS IDENTITY",
    "stored %": "text GENERATED ALWAYS AS ('it''s ' || 1) STORED",
    "long": "text STORAGE EXTERNAL DEFAULT repeat('long', 1000)",
    "virtual": "text GENERATED ALWAYS AS ('no') VIRTUAL",
}


def identified(draw: Callable, key: str, is_parted: bool) -> list[str]:
    """What the log has of an old row: its key, by the primary key or another index, or all of it.

    Where it is all of it, there may be no key.
    """
    made = f"ALTER TABLE {T} ADD PRIMARY KEY ({key})"
    full = f"ALTER TABLE {T}{'1' if is_parted else ''} REPLICA IDENTITY FULL"
    by_index = [f"CREATE UNIQUE INDEX \"of {NUMBER}\" ON {T} ({key})", f"ALTER TABLE {T} REPLICA IDENTITY USING INDEX \"of {NUMBER}\""]
    none = [made] if is_parted else [full]
    return draw(st.sampled_from([[made]] * 4 + [[made, full]] * 2 + [[made] if is_parted else by_index, none]))


@st.composite
def plans(draw: Callable, kind: str) -> Plan:
    """A table whose key begins with a column of this type."""
    key = [kind, *draw(st.lists(st.sampled_from(list(kinds.KEYS)), max_size=2))]
    rest = draw(st.lists(st.sampled_from(list(kinds.ALL)), max_size=5))
    count = len(key) + len(rest)
    called = draw(st.lists(st.sampled_from(NAMES), min_size=count, max_size=count, unique=True))
    columns = [Column(name, kind, place < len(key), place) for place, (name, kind) in enumerate(zip(called, key + rest, strict=True))]
    shown = tuple(draw(st.permutations(columns)))
    by = draw(st.sampled_from(columns[: len(key)]))
    partitions = [] if by.kind in kinds.UNREADABLE else divided(draw, by)
    parts = min(max(len(partitions) - 1, 0), 3)
    ddl = [f"CREATE TABLE {T} ({', '.join(each.declared for each in shown)})"]
    ddl += identified(draw, names(columns[: len(key)]), bool(partitions))
    is_whole = "FULL" in ddl[-1]  # then a virtual column would keep the table from changing
    filled = draw(st.lists(st.sampled_from([name for name in FILLED if name != "virtual" or not is_whole]), max_size=2, unique=True))
    ddl += [f"ALTER TABLE {T} ADD {quoted(name)} {FILLED[name]}" for name in filled]
    seen = tuple(Column(name, FILLED[name], False, -1 - place) for place, name in enumerate(filled) if name != "virtual")
    first = Transaction(draw(st.lists(changes(shown, 0), max_size=4)))
    return Plan(shown, seen, ddl, partitions, first, draw(histories(shown, parts, by if partitions else None)))
