"""What would be watched, from what a person asks for and what the source's catalog says."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.source import catalog
from medallion_lib.source.obstacles import obstacles
from medallion_lib.source.slot import OLDEST, Lack, lacking
from medallion_lib.table import SYSTEM_COLUMNS
from medallion_lib.tables import NONE, Column, Table, Tables, by_source
from medallion_lib.watch import asking
from medallion_lib.watch.asking import Asked, Draft, Relation
from medallion_lib.watch.names import Names

FEW = 100_000  # rows: a history of fewer is strict, and a table never analysed is counted so far
MOST = 1_600 - len(SYSTEM_COLUMNS)  # columns
# What WITHOUT OVERLAPS takes as a key, with btree_gist; and what no index of a key takes.
GIST = re.compile(
    r"smallint|integer|bigint|numeric|real|double precision|money|oid|boolean|text|character|"
    r"character varying|uuid|bytea|bit|bit varying|inet|macaddr8?|date|interval.*|"
    r"time(stamp)? with(out)? time zone|(int[48]|num|ts|tstz|date)(multi)?range"
)
UNSORTED = re.compile(
    r"(json|xml|point|line|lseg|box|path|polygon|circle|xid|cid|aclitem|refcursor|jsonpath|"
    r"(pg|txid)_snapshot)(\[\])?"
)

KEYLESS = (
    "{} has no primary key, nor a unique index on NOT NULL columns; DEFERRABLE ones do not count. "
    "With its whole old rows in the log its changes are kept, and by --key a history. As its owner:"
)


class Source(NamedTuple):
    """A row of source.sql, and where that is."""

    version: str
    role: str
    database: str
    wal_level: str
    slots: int
    free_slots: int
    kept_wal: str  # max_slot_wal_keep_size
    backend: int
    url: str  # without its password


@dataclass(frozen=True)
class Planned:
    """A table that would be watched."""

    table: Table
    rows: int | None  # as estimated; None where this role may not read it
    key_from: str
    told: tuple[str, ...]  # sentences: what is left out, kept otherwise or under another name
    bytes_per_million: int  # changes, in bronze and in silver, as estimated


@dataclass(frozen=True)
class Plan:
    """What would be watched. `tables` are the new ones alone, where a warehouse has others."""

    tables: Tables
    each: tuple[Planned, ...]
    source: Source
    skipped: Mapping[str, str]  # why a table is not taken that nobody named, by its name
    wrong: tuple[Lack, ...]  # what stands in the way


def plan(
    at_source: Cursor, asked: Asked, kept: Tables = NONE, url: URL | None = None,
    slot: str | None = None, mark: str | None = None,
) -> Plan:  # fmt: skip
    """The tables that are asked for; `kept` are those that the warehouse has already.

    `url` is the source's. Where a slot and publication are to be made, `slot` is their name, and
    the publication's `mark` may be known: what stands in their way is wrong, too.
    Raises MedallionError where what is asked for is not there, or can't be meant.
    """
    shown = server.libpq(url._replace(password=None)) if url else ""
    source = Source(*sqlfile.run(at_source, "watch/source").fetchone(), shown)
    wrong = lacking(at_source, (), slot or "")
    if source.backend != at_source.connection.info.backend_pid:
        wrong.append(Lack("A pooler answers at this address. Name the server behind it."))
    if at_source.connection.server_version < OLDEST * 10_000:
        return Plan(NONE, (), source, {}, tuple(wrong))
    chosen = asking.chosen(at_source, asked, kept)
    drafts = _drafts(at_source, chosen, asked, kept)
    asking.take_keys(drafts, asked)
    asking.take_excluded(drafts, asked)
    asking.check_keys(drafts)
    _take_lacks(at_source, drafts)
    skipped = {each.relation.shown: each.wrong[0].sentence for each in drafts if each.is_skipped}
    drafts = [each for each in drafts if not each.is_skipped]
    named = replace(asked.declared, each=_named(drafts, kept))
    found = catalog.completed(at_source, named, kept).each
    each = tuple(_planned(draft, table, asked) for draft, table in zip(drafts, found, strict=True))
    wrong += [lack for draft in drafts for lack in draft.wrong]
    if not each:
        wrong.append(Lack("There is no table to watch."))
    elif slot:
        wrong += obstacles(at_source, slot, [one.table for one in each], mark)
    made = {"each": tuple(one.table for one in each), "source": shown or None}
    tables = replace(asked.declared, **made, watched=asked.patterns)
    return Plan(tables, each, source, skipped, tuple(wrong))


def _drafts(
    at_source: Cursor, chosen: Mapping[Relation, bool], asked: Asked, kept: Tables
) -> list[Draft]:
    said = by_source((*kept.each, *asked.declared.each))
    sqlfile.run(at_source, "watch/found", {"tables": [each.oid for each in chosen]})
    found = {oid: facts for oid, *facts in at_source.fetchall()}
    drafts = []
    for relation, is_named in chosen.items():
        rows, key, key_from, columns, is_readable = found[relation.oid]
        if rows is None and is_readable:
            rows = _counted(at_source, relation)
        one = said.get((relation.schema, relation.name))
        if one and one.key:
            key, key_from = one.key, "declared"
        drafts.append(Draft(relation, is_named, one, rows, key or (), key_from, columns))
    return drafts


def _counted(at_source: Cursor, relation: Relation) -> int:
    """The rows of a table that is not analysed: counted if few, else as the planner has it."""
    table = sql.Identifier(relation.schema, relation.name)
    at_source.execute(sqlfile.compose("watch/counted", table=table, limit=sql.Literal(FEW)))
    (counted,) = at_source.fetchone()
    if counted < FEW:
        return counted
    at_source.execute(sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}").format(table))
    return max(FEW, at_source.fetchone()[0][0]["Plan"]["Plan Rows"])


def _take_lacks(at_source: Cursor, drafts: Sequence[Draft]) -> None:
    """Note what the source lacks for each table."""
    by_oid = {each.relation.oid: each for each in drafts}
    bare = [Table(each.relation.name, tuple(each.key), each.relation.schema, each.relation.schema,
                  events=each.relation.name) for each in drafts]  # fmt: skip
    for lack in lacking(at_source, bare):
        if draft := by_oid.get(lack.table):
            if "REPLICA IDENTITY FULL" in (lack.statements or "") and not draft.key:
                lack = lack._replace(sentence=KEYLESS.format(draft.relation.shown))
            draft.wrong.append(lack)


def _named(drafts: Sequence[Draft], kept: Tables) -> tuple[Table, ...]:
    """The tables with their names here. Those of few letters come first, and keep their own."""
    names = Names(kept, {each.relation.schema for each in drafts})
    for draft in drafts:
        if draft.said and draft.said.history:
            names.take_history(draft.said.silver_schema, draft.said.history)
    in_turn = sorted(drafts, key=lambda each: (len(each.relation.name), each.relation[1:3]))
    tables = {draft.relation: _table(draft, names) for draft in in_turn}
    return tuple(tables[draft.relation] for draft in drafts)


def _table(draft: Draft, names: Names) -> Table:
    relation, said, key = draft.relation, draft.said, tuple(draft.key)
    table = said or Table(relation.name, key, relation.schema)
    if not said or (key and not said.history):
        base = names.base(relation.schema, relation.name)
        named = {
            "bronze_schema": names.layer("bronze", relation.schema),
            "silver_schema": names.layer("silver", relation.schema),
            "events": f"br_{base}_cdc" if base != relation.name else None,
            "history": f"{base}_hist" if key else None,
        }
        default = Table(relation.name, key)
        wanted = {name for name in named if getattr(table, name) == getattr(default, name)}
        table = replace(table, key=key, **{name: named[name] for name in wanted})
        if base != relation.name:
            draft.told.append(f"Its names here begin with {base}: its own would not do.")
    excluded = tuple(dict.fromkeys([*table.excluded, *draft.excluded]))
    return replace(table, key=key, is_captured=True, excluded=excluded)


def _planned(draft: Draft, table: Table, asked: Asked) -> Planned:
    draft.told += _told(draft, table)
    types = {each.name: _plain(each) for each in table.columns}
    key = {name: types[name] for name in table.silver_key if name in types}
    for name, type_ in key.items():
        if UNSORTED.fullmatch(type_):
            draft.lack(f"{table.shown} can't have {name} in its key: no index takes a {type_}.")
    if key and len(types) > MOST:
        draft.lack(f"{table.shown} has {len(types):,} columns, and a history has room for "
                   f"{MOST:,}. Leave some out: --exclude schema.table.column")  # fmt: skip
    can_be_strict = bool(key) and all(GIST.fullmatch(type_) for type_ in key.values())
    if asked.is_strict and key and not can_be_strict:
        draft.lack(f"The history of {table.shown} can't be strict: WITHOUT OVERLAPS does not take "
                   f"all of {', '.join(key.values())}. Leave --strict out.")  # fmt: skip
    is_few = draft.rows is not None and draft.rows < FEW
    is_strict = table.is_strict and can_be_strict and (asked.is_strict or is_few)
    table = replace(table, is_strict=is_strict)
    return Planned(table, draft.rows, draft.key_from, tuple(draft.told), _cost(draft, table))


def _plain(column: Column) -> str:
    """A type without its length or fields."""
    return re.sub(r"\(.*?\)", "", column.type)


def _told(draft: Draft, table: Table) -> Iterator[str]:
    """What of a table is not as its source has it, in sentences."""
    of: dict[str, list[str]] = {}
    types = {each.name: each.type for each in table.columns}
    for column in draft.columns:
        name = column["name"]
        here = types.get(table.in_silver(name), column["type"])
        if name in table.excluded:
            of.setdefault("Left out, as asked for", []).append(name)
        elif column["generated"]:
            of.setdefault(f"Left out, as not in the log: {column['generated']}", []).append(name)
        elif name in table.left_out:
            of.setdefault("Left out of its history, as declared", []).append(name)
        elif here != column["type"]:
            of.setdefault(f"Kept as {here}", []).append(f"{name} ({column['kind']})")
    if not table.key:
        yield "It has no key: its changes are kept, and no history."
    yield from (f"{about}: {', '.join(names)}." for about, names in of.items())
    for new, (*_, old) in table.renamed.items():
        if new in types and old in SYSTEM_COLUMNS:
            yield f"{old} is {new} in its history, which has a {old} of its own."


def _cost(draft: Draft, table: Table) -> int:
    """Bytes of a million changes: as measured of tables of 2 to 31 columns, within a quarter."""
    columns = [each for each in draft.columns if each["name"] not in table.excluded]
    width = sum(each["width"] for each in columns)
    bronze = 130 + sum(16 + len(each["name"].encode()) for each in columns) + width
    silver = (125 if table.is_strict else 90) + width if table.history else 0
    return 1_000_000 * (bronze + silver)
