"""The tables of a warehouse, as values: what they are called, and their keys, in each layer.

Whoever opens a warehouse may declare its tables, in Python or in a TOML file; the sample's are in
shop/tables.toml. The warehouse keeps what it was made for, so that every process sees the same.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal

# What a warehouse is made by, and how its columns are read, which may be said anew.
MADE = ("key", "bronze_schema", "events", "history", "silver_schema", "by_month", "lookups")
READ = ("renamed", "gone", "columns", "left_out", "lookup")
VERSION = 2  # of what the warehouse keeps in meta, and of how silver is made


class Column(NamedTuple):
    """A column of a table, by the source's catalog. A type of the source's own is text here."""

    name: str
    type: str
    comment: str | None = None


@dataclass(frozen=True)
class Table:
    """A source table whose every change lands in bronze, and its history in silver, if it has one.

    `key` are the source's columns that tell its rows apart; bronze is searched by the last.
    Raises MedallionError where columns are looked up, and no SQL is named that finds them.
    """

    name: str
    key: tuple[str, ...]
    schema: str = "public"
    bronze_schema: str = "bronze"
    history: str | None = None  # the table of its versions
    silver_schema: str = "silver"
    columns: tuple[Column, ...] = ()  # of its history, where no SQL of a guest makes that
    left_out: tuple[str, ...] = ()  # columns that its history has not
    # silver's column: all the names it has had at the source, in order
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()  # columns the source has no longer: null where a row lacks them
    lookups: tuple[str, ...] = ()  # columns that a row takes from other tables at its first event
    lookup: str | None = None  # the SQL that finds them: a file, without .sql
    by_month: str | None = None  # the date its partitions go by
    events: str | None = None  # what its changes are read from, if not br_NAME_cdc
    is_captured: bool = True  # False where its history only stays

    def __post_init__(self) -> None:
        renamed = {name: tuple(names) for name, names in self.renamed.items()}
        object.__setattr__(self, "renamed", MappingProxyType(renamed))
        for name, fact in vars(self).items():
            if isinstance(fact, list):
                object.__setattr__(self, name, tuple(fact))
        if isinstance(self.key, str):  # of one column
            object.__setattr__(self, "key", (self.key,))
        if self.lookups and not self.lookup:
            raise refusal("no look-up", table=self.shown, columns=", ".join(self.lookups))

    def __hash__(self) -> int:
        return hash((self.schema, self.name))

    @property
    def shown(self) -> str:
        """Its name to a person, with its schema unless that is public."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def shown_history(self) -> str:
        """Its history's name to a person, with its schema unless that is silver."""
        is_plain = self.silver_schema == "silver"
        return self.history if is_plain else f"{self.silver_schema}.{self.history}"

    @property
    def source(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def bronze(self) -> sql.Identifier:
        return sql.Identifier(self.bronze_schema, self.events or f"br_{self.name}_cdc")

    @property
    def silver(self) -> sql.Identifier:
        return sql.Identifier(self.silver_schema, self.history)

    def in_bronze(self, name: str) -> tuple[str, ...]:
        """The keys of this column's value in bronze's full_row, over time."""
        return self.renamed.get(name, (name,))

    def in_silver(self, name: str) -> str:
        """What silver calls a column of the source."""
        return next((new for new, names in self.renamed.items() if name in names), name)

    @property
    def silver_key(self) -> list[str]:
        return [self.in_silver(name) for name in self.key]

    def as_json(self) -> dict[str, Any]:
        """What is not as it is by default."""
        default = Table(self.name, self.key)
        return {name: dict(fact) if isinstance(fact, Mapping) else fact
                for name, fact in vars(self).items()
                if name in ("name", "key") or fact != getattr(default, name)}  # fmt: skip

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> Self:
        """The same from what `as_json` gives, or a TOML file has."""
        known = {each.name for each in fields(cls)}
        if unknown := facts.keys() - known:
            named = ", ".join(sorted(known))
            raise refusal("no such fact", facts=", ".join(sorted(unknown)), named=named)
        columns = tuple(Column(*each) for each in facts.get("columns", ()))
        return cls(**{**facts, "columns": columns})


@dataclass(frozen=True)
class Tables:
    """All tables of one warehouse, in the order of a snapshot, and the SQL of silver and gold.

    The SQL is named by its files, without .sql. A history that none of them makes is made of its
    table's columns.
    """

    each: tuple[Table, ...] = ()
    silver: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Those of a file like shop/tables.toml; SQL files are named as they stand beside it.

        Raises MedallionError where there is no such file, or it says something else.
        """
        path = Path(path)
        try:
            return cls._of_toml(path.parent, tomllib.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            raise refusal("tables not read", path=path, reason=problem) from None

    @classmethod
    def _of_toml(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        def named(layer: str) -> tuple[str, ...]:
            return tuple(sqlfile.named(folder / name) for name in declared.get(layer, ()))

        if unknown := declared.keys() - {"silver", "gold", "table"}:
            raise ValueError(f"it has {', '.join(sorted(unknown))}")
        tables = []
        for facts in declared.get("table", ()):
            lookup = facts.get("lookup")
            found = {"lookup": sqlfile.named(folder / lookup)} if lookup else {}
            tables.append(Table.of_json(facts | found))
        return cls(tuple(tables), named("silver"), named("gold"))

    def __add__(self, other: Self) -> Self:
        """Both, with the SQL of either once."""
        silver, gold = (tuple(dict.fromkeys(files)) for files in
                        (self.silver + other.silver, self.gold + other.gold))  # fmt: skip
        return Tables(self.each + other.each, silver, gold)

    def as_json(self) -> dict[str, Any]:
        kept = {"tables": [each.as_json() for each in self.each]}
        return kept | {"silver": self.silver, "gold": self.gold}

    @property
    def captured(self) -> tuple[Table, ...]:
        return tuple(table for table in self.each if table.is_captured)

    @property
    def versioned(self) -> tuple[Table, ...]:
        return tuple(table for table in self.each if table.history)

    def made(self, cursor: Cursor) -> list[Table]:
        """Those whose history is in the warehouse, with their bronze."""
        return [each for each in self.versioned
                if is_there(cursor, each.silver) and is_there(cursor, each.bronze)]  # fmt: skip

    @property
    def schemas(self) -> list[str]:
        """Those that have histories."""
        return [*dict.fromkeys(["silver", *(table.silver_schema for table in self.versioned)])]

    def history(self, name: str) -> Table:
        """The table that has this history, by its name or as schema.name.

        Raises MedallionError where there is none, or the name alone is that of several.
        """
        found = [each for each in self.versioned
                 if name in (each.history, f"{each.silver_schema}.{each.history}")]  # fmt: skip
        if len(found) == 1:
            return found[0]
        if not found:
            named = ", ".join(each.shown_history for each in self.versioned)
            raise refusal("no such history", table=name, named=named)
        named = ", ".join(f"{each.silver_schema}.{each.history}" for each in found)
        raise refusal("several histories", table=name, named=named)

    def taken_over(self, before: Self) -> Self:
        """These after a snapshot, and histories that go on no more, with the SQL of those."""
        here = {each.source.strings for each in self.each}
        ended = tuple(replace(each, is_captured=False) for each in before.versioned
                      if each.source.strings not in here)  # fmt: skip
        return self + replace(before, each=ended) if ended else self

    def check(self, kept: Self, database: str, facts: Sequence[str] = MADE) -> None:
        """Raise MedallionError where these say otherwise than those that a warehouse keeps: what.

        How columns are read is no difference: that may be said anew.
        """
        if lines := self._differences(kept, facts):
            raise refusal("other tables", database=database, differences="\n".join(lines))

    def _differences(self, kept: Self, facts: Sequence[str]) -> list[str]:
        here, there = ({table.source.strings: table for table in each.captured}
                       for each in (self, kept))  # fmt: skip
        lines = [f"    {here[name].shown}: not in the warehouse" for name in here.keys() - there]
        lines += [f"    {there[name].shown}: in the warehouse only" for name in there.keys() - here]
        for name in here.keys() & there.keys():
            for fact in facts:
                said, known = (getattr(each[name], fact) for each in (here, there))
                if said != known:
                    told = f"{fact} is {said}, and {known} in the warehouse"
                    lines.append(f"    {here[name].shown}: {told}")
        return sorted(lines)

    def reading(self, declared: Self | None, *facts: str) -> Self:
        """These, with what others declare of the same tables: how columns are read, or `facts`."""
        if declared is None:
            return self
        said = {table.source.strings: table for table in declared.each}

        def read(table: Table) -> Table:
            other = said.get(table.source.strings, table)
            return replace(table, **{fact: getattr(other, fact) or getattr(table, fact)
                                     for fact in facts or READ})  # fmt: skip

        made = declared.taken_over(self) if facts else self
        return replace(made, each=tuple(map(read, self.each)))

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Those that the warehouse keeps.

        Raises MedallionError where it was made by another version, which keeps them otherwise.
        """
        database = cursor.connection.info.dbname
        if not is_there(cursor, sql.Identifier("meta", "warehouse")):
            raise refusal("earlier version", database=database)
        version, kept = sqlfile.run(cursor, "tables_read").fetchone()
        if version > VERSION:
            raise refusal("later version", database=database, found=version, here=VERSION)
        files = (tuple(kept[layer]) for layer in ("silver", "gold"))
        return cls(tuple(map(Table.of_json, kept["tables"])), *files)

    def keep(self, cursor: Cursor) -> None:
        """Let the warehouse know them."""
        facts = {"version": VERSION, "tables": json.dumps(self.as_json())}
        cursor.execute(sqlfile.read("tables_keep"), facts)


NONE = Tables()


def described(captured: Iterable[Table]) -> str:
    """Tables as JSON, for the checks of the source."""
    names = ("schema", "name", "key", "bronze_schema")
    return json.dumps([{name: getattr(each, name) for name in names} for each in captured])


def is_there(cursor: Cursor, relation: sql.Identifier) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (relation.as_string(cursor),))
    return cursor.fetchone()[0]
