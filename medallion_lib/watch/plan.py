"""What would be watched, from what a person asks for and what the source's catalog says."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import sqlfile
from medallion_lib.source import catalog
from medallion_lib.source.slot import OLDEST, Lack, lacking
from medallion_lib.tables import NONE, Column, Table, Tables
from medallion_lib.watch import asking
from medallion_lib.watch.asking import Asked, Draft, Relation
from medallion_lib.watch.names import Names, renamed

FEW = 100_000  # rows: a history of fewer is strict, and a table never analysed is counted so far
# What WITHOUT OVERLAPS takes as a key, with btree_gist; and what no index of a key takes.
GIST = re.compile(
    r"smallint|integer|bigint|numeric|real|double precision|money|oid|boolean|text|character|"
    r"character varying|uuid|bytea|bit|bit varying|inet|cidr|macaddr8?|date|interval.*|"
    r"time(stamp)? with(out)? time zone|(int[48]|num|ts|tstz|date)(multi)?range"
)
UNSORTED = re.compile(
    r"(json|xml|point|line|lseg|box|path|polygon|circle|xid|cid|aclitem|refcursor|jsonpath|"
    r"(pg|txid)_snapshot)(\[\])?"
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


def plan(at_source: Cursor, asked: Asked, kept: Tables = NONE) -> Plan:
    """The tables that are asked for; `kept` are those that the warehouse has already.

    Raises MedallionError where what is asked for is not there, or can't be meant.
    """
    source, wrong = _source(at_source), lacking(at_source, ())
    if source.backend != at_source.connection.info.backend_pid:
        wrong.append(Lack("A pooler answers at this address. Name the server behind it."))
    if at_source.connection.server_version < OLDEST * 10_000:
        return Plan(NONE, (), source, {}, tuple(wrong))
    chosen = asking.chosen(at_source, asked, kept)
    drafts = _drafts(at_source, chosen, asked, kept)
    asking.take_keys(drafts, asked)
    asking.take_excluded(drafts, asked)
    skipped = _skipped(at_source, drafts)
    drafts = [each for each in drafts if each.relation.shown not in skipped]
    tables = _named(at_source, drafts, kept)
    each = tuple(_planned(draft, tables[draft.relation], asked) for draft in drafts)
    wrong += [lack for draft in drafts for lack in draft.wrong]
    if not each:
        wrong.append(Lack("There is no table to watch."))
    watched = asked.names or (() if asked.declared else ("*",))
    made = {"each": tuple(one.table for one in each), "source": source.url, "watched": watched}
    return Plan(replace(asked.declared or NONE, **made), each, source, skipped, tuple(wrong))


def _source(at_source: Cursor) -> Source:
    info = at_source.connection.info
    place = {"host": info.host, "port": info.port}
    if info.host.startswith("/"):  # a directory with a socket
        place = {"query": {"host": info.host, "port": str(info.port)}}
    url = URL.create("postgresql", username=info.user, database=info.dbname, **place)
    return Source(*sqlfile.run(at_source, "watch/source").fetchone(), str(url))


def _drafts(
    at_source: Cursor, chosen: Mapping[Relation, bool], asked: Asked, kept: Tables
) -> list[Draft]:
    before = {each.source.strings: each for each in kept.each}
    said = before | {each.source.strings: each for each in (asked.declared or NONE).each}
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


def _skipped(at_source: Cursor, drafts: Sequence[Draft]) -> dict[str, str]:
    """Note what each table lacks; of those that nobody named, why they are not taken."""
    by_oid = {each.relation.oid: each for each in drafts}
    bare = [Table(each.relation.name, tuple(each.key), each.relation.schema, each.relation.schema,
                  events=each.relation.name) for each in drafts]  # fmt: skip
    for lack in lacking(at_source, bare):
        if lack.table:
            by_oid[lack.table].wrong.append(lack)
    return {each.relation.shown: each.wrong[0].sentence for each in drafts
            if each.wrong and not each.is_named}  # fmt: skip


def _named(at_source: Cursor, drafts: Sequence[Draft], kept: Tables) -> dict[Relation, Table]:
    """The tables with their names here, the shorter ones first: these keep their own."""
    names = Names(kept, {each.relation.schema for each in drafts})
    for draft in drafts:
        if draft.said and draft.said.history:
            names.take_history(draft.said.silver_schema, draft.said.history)
    drafts = sorted(drafts, key=lambda each: (len(each.relation.name), each.relation[1:3]))
    return {draft.relation: _table(at_source, draft, names) for draft in drafts}


def _table(at_source: Cursor, draft: Draft, names: Names) -> Table:
    """The table with its names, and with the columns that its history has."""
    schema, name, said = draft.relation.schema, draft.relation.name, draft.said
    there = {each["name"]: each for each in draft.columns}
    table = said or Table(name, (), schema)
    key = tuple(draft.key)
    if not said or (key and not said.history):
        base = names.base(schema, name)
        bronze, silver = (names.layer(layer, schema) for layer in ("bronze", "silver"))
        events = f"br_{base}_cdc" if base != name else None
        history = f"{base}_hist" if key else None
        table = replace(
            table, bronze_schema=bronze, silver_schema=silver, events=events, history=history
        )
        if base != name:
            draft.told.append(f"Its names here begin with {base}: its own would not do.")
    unsent = [name for name, each in there.items() if each["generated"]]
    left_out = dict.fromkeys([*table.left_out, *unsent])
    excluded = dict.fromkeys([*table.excluded, *draft.excluded])
    here = there.keys() - {name for names in table.renamed.values() for name in names}
    table = replace(
        table, key=key, left_out=tuple(left_out), excluded=tuple(excluded),
        renamed={**table.renamed, **renamed([name for name in there if name in here])},
    )  # fmt: skip
    (table,) = catalog.completed(at_source, Tables((table,))).each
    out = {table.in_silver(each) for each in (*left_out, *excluded)}
    numbers = {table.in_silver(name): each["number"] for name, each in there.items()}
    return replace(table, columns=tuple(
        each._replace(number=numbers.get(each.name)) for each in table.columns
        if each.name not in out
    ))  # fmt: skip


def _planned(draft: Draft, table: Table, asked: Asked) -> Planned:
    draft.told += _told(draft, table)
    types = {each.name: _plain(each) for each in table.columns}
    key = {name: types[name] for name in table.silver_key if name in types}
    for name, type_ in key.items():
        if UNSORTED.fullmatch(type_):
            draft.lack(f"{table.shown} can't have {name} in its key: no index takes a {type_}.")
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
    there = {each["name"]: each for each in draft.columns}
    if not table.key:
        yield "It has no key: its changes are kept, and no history."
    if table.excluded:
        yield f"Left out, as asked for: {', '.join(table.excluded)}."
    for kind in ("virtual", "stored"):
        if names := [name for name, each in there.items() if each["generated"] == kind]:
            why = "generated when read" if kind == "virtual" else "generated, before PostgreSQL 18"
            yield f"Not in the log, as {why}: {', '.join(names)}."
    types = {each.name: each.type for each in table.columns}
    kept: dict[str, list[str]] = {}
    for name, each in there.items():
        type_ = types.get(table.in_silver(name), each["type"])
        if type_ != each["type"]:
            kept.setdefault(type_, []).append(f"{name} ({each['kind']})")
    for type_, names in kept.items():
        yield f"Kept as {type_}: {', '.join(names)}."
    for new, names in renamed(there).items():
        if new in types:
            yield f"{names[0]} is {new} in its history, which has a {names[0]} of its own."


def _cost(draft: Draft, table: Table) -> int:
    """Bytes that a million changes take, by measure: see tests/watch/test_cost.py."""
    landing = [each for each in draft.columns if each["name"] not in table.excluded]
    width = sum(each["width"] for each in landing)
    bronze = 150 + sum(len(each["name"].encode()) + 8 for each in landing) + width
    silver = 200 + width if table.history else 0
    return 1_000_000 * (bronze + silver)
