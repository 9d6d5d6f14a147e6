"""What a person asks to watch, found at the source."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.source.slot import Lack
from medallion_lib.tables import NONE, Table, Tables, by_source
from medallion_lib.watch.names import near, spelled


class Asked(NamedTuple):
    """What a person asks for; names are written as in SQL."""

    names: tuple[str, ...] = ()  # TABLE, schema.table or schema.*; none: every table with a key
    excluded: tuple[str, ...] = ()  # schema.table.column, or table.column
    keys: Mapping[str, tuple[str, ...]] = {}  # table: columns
    is_strict: bool = False  # WITHOUT OVERLAPS for every history
    declared: Tables = NONE  # what these say of a table wins over what is found

    @property
    def patterns(self) -> tuple[str, ...]:
        """The names, and * for every table where there is none, nor one declared."""
        return self.names or (() if self.declared.each else ("*",))


class Relation(NamedTuple):
    """A row of relations.sql."""

    oid: int
    schema: str
    name: str
    other: str | None  # what it is, if no table
    is_offered: bool

    @property
    def shown(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def is_called(self, parts: tuple[str, ...]) -> bool:
        return (self.schema, self.name)[-len(parts) :] == parts


@dataclass
class Draft:
    """A table on its way into the plan."""

    relation: Relation
    is_named: bool  # by itself, or its key is
    said: Table | None  # as declared, or as it was watched before
    rows: int | None
    key: Sequence[str]
    key_from: str
    columns: Sequence[Mapping[str, Any]]  # as found.sql has them
    excluded: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    wrong: list[Lack] = field(default_factory=list)

    @property
    def is_skipped(self) -> bool:
        """Whether it is not taken, as it lacks something and nobody named it."""
        return bool(self.wrong) and not self.is_named

    def lack(self, sentence: str, statements: str | None = None) -> None:
        """Note what stands in its way."""
        self.wrong.append(Lack(sentence, statements))


def chosen(at_source: Cursor, asked: Asked, kept: Tables) -> dict[Relation, bool]:
    """The tables that are asked for, and whether by name."""
    every = [Relation(*row) for row in sqlfile.run(at_source, "watch/relations")]
    here = by_source(kept.captured)
    free = [each for each in every if each.is_offered and (each.schema, each.name) not in here]
    found: dict[Relation, bool] = {}
    for text in asked.patterns:
        if text == "*":
            found |= {each: found.get(each, False) for each in free}
            continue
        if text.endswith(".*"):
            found |= {each: found.get(each, False) for each in _in_schema(free, every, text[:-2])}
            continue
        one = _named(every, text)
        if (one.schema, one.name) in here:
            raise refusal("watched already", table=one.shown)
        found[one] = True
    for table in asked.declared.captured:
        found[_of(every, [(table.schema, table.name)], table.shown)] = True
    return found


def unwatched(at_source: Cursor, kept: Tables) -> list[str]:
    """The tables that came to the schemas which a warehouse watches whole, by name."""
    schemas = tuple(text for text in kept.watched if text.endswith("*"))
    known = by_source(kept.each)
    found: dict[Relation, bool] = {}
    with suppress(MedallionError):  # a schema may be gone
        found = chosen(at_source, Asked(schemas), kept) if schemas else {}
    return [each.shown for each in found if (each.schema, each.name) not in known]


def _in_schema(free: Sequence[Relation], every: Sequence[Relation], text: str) -> list[Relation]:
    for parts in spelled(text):
        if any((each.schema,) == parts for each in every):
            return [each for each in free if (each.schema,) == parts]
    schemas = near(text, dict.fromkeys(each.schema for each in every))
    raise refusal("no schema to watch", schema=text, near=schemas)


def _named(every: Sequence[Relation], text: str) -> Relation:
    return _of(every, spelled(text), text)


def _of(every: Sequence[Relation], meanings: Sequence[tuple[str, ...]], text: str) -> Relation:
    """The table of this name; of several, the one in public."""
    found: list[Relation] = []
    for parts in meanings:
        if found := [each for each in every if each.is_called(parts)]:
            break
    else:
        raise refusal("no table to watch", table=text, near=near(text, (x.shown for x in every)))
    if len(found) > 1:
        named = ", ".join(f"{each.schema}.{each.name}" for each in found)
        found = [each for each in found if each.schema == "public"]
        if not found:
            raise refusal("table in several schemas", table=text, named=named)
    if found[0].other:
        raise refusal("not to be watched", table=text, kind=found[0].other)
    return found[0]


def watched(kept: Tables, text: str) -> Table:
    """The table of this name that a warehouse captures. MedallionError where it has none."""
    for parts in spelled(text):
        for table in kept.captured:
            if (table.schema, table.name)[-len(parts) :] == parts:
                return table
    there = near(text, (each.shown for each in kept.captured))
    raise refusal("table not watched", table=text, near=there)


def take_keys(drafts: Sequence[Draft], asked: Asked) -> None:
    """Let the tables have the keys that are asked for."""
    by_relation = {each.relation: each for each in drafts}
    for text, names in asked.keys.items():
        draft = by_relation[_named([*by_relation], text)]
        draft.key = [_column(draft, name, spelled(name))["name"] for name in names]
        draft.key_from, draft.is_named = "--key", True


def check_keys(drafts: Sequence[Draft]) -> None:
    """Note which columns of keys may be null. Raises MedallionError where one is not there."""
    for draft in drafts:
        for name in draft.key:
            column = _column(draft, name, [(name,)])
            if not column["not_null"]:
                sentence = f"Column {name} of {draft.relation.shown}, in its key, may be null."
                draft.lack(f"{sentence} As its owner:", column["set_not_null"])


def _column(draft: Draft, text: str, meanings: Sequence[tuple[str, ...]]) -> Mapping[str, Any]:
    there = {(each["name"],): each for each in draft.columns}
    for parts in meanings:
        if parts in there:
            return there[parts]
    like = near(text, (name for (name,) in there))
    raise refusal("no such column", table=draft.relation.shown, column=text, near=like)


def take_excluded(drafts: Sequence[Draft], asked: Asked) -> None:
    """Let the tables leave out the columns that are asked for."""
    for text in asked.excluded:
        found = []
        for parts in spelled(text):
            if len(parts) > 1 and not found:
                found = [(each, parts[-1]) for each in drafts if each.relation.is_called(parts[:-1])
                         and any(parts[-1] == one["name"] for one in each.columns)]  # fmt: skip
        if len(found) != 1:
            every = (f"{each.relation.schema}.{each.relation.name}.{one['name']}"
                     for each in drafts for one in each.columns)  # fmt: skip
            raise refusal("no column to leave out", column=text, near=near(text, every))
        ((draft, column),) = found
        draft.excluded.append(column)
