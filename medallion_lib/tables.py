"""The tables of a warehouse, as values: what they are called, and their keys, in each layer.

Whoever opens a warehouse may declare its tables, in Python or in a TOML file; the sample's are in
shop/tables.toml. The warehouse keeps what it was made for, so that every process sees the same.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.mart import Mart, Own
from medallion_lib.table import Adding, Column, Table, by_source

__all__ = ["NONE", "Adding", "Column", "Table", "Tables", "by_source", "described", "is_there"]

# What a warehouse is made by, and how its columns are read, which may be said anew.
MADE = ("key", "bronze_schema", "events", "history", "silver_schema", "by_month", "lookups",
        "excluded")  # fmt: skip
READ = ("renamed", "gone", "columns", "left_out", "lookup")
EVOLVING = ("columns", "renamed", "gone", "numbers", "by_month")  # what a change of columns changes
NEWS = 20  # changes of columns that are kept to be told
KEPT_SINCE = 2  # the first form that says which it is, and keeps its tables as now
VERSION = 3  # of what the warehouse keeps in meta, and of how silver is made


@dataclass(frozen=True)
class Tables:
    """All tables of one warehouse, in the order of a snapshot, and the SQL of silver and gold.

    The SQL is named by its files, without .sql. A history that none of them makes is made of its
    table's columns.
    """

    each: tuple[Table, ...] = ()
    silver: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    source: str | None = None  # the URL of a source of the user's own, without its password
    watched: tuple[str, ...] = ()  # what `watch` was asked for: names, or schema.*
    news: tuple[tuple[str, str], ...] = ()  # the last changes of columns: when, and a sentence
    marts: tuple[Mart, ...] = ()  # those of `gold` whose cells have receipts
    own: Own = field(default_factory=Own)  # which `keep` leaves as they are kept

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

        if unknown := declared.keys() - {"silver", "gold", "table", "mart"}:
            raise ValueError(f"it has {', '.join(sorted(unknown))}")
        tables = []
        for facts in declared.get("table", ()):
            lookup = facts.get("lookup")
            found = {"lookup": sqlfile.named(folder / lookup)} if lookup else {}
            tables.append(Table.of_json(facts | found))
        marts = tuple(map(Mart.of_json, declared.get("mart", ())))
        return cls(tuple(tables), named("silver"), named("gold"), marts=marts)

    def __add__(self, other: Self) -> Self:
        """Both, with the SQL and the marts of either once."""
        once = {name: tuple(dict.fromkeys(getattr(self, name) + getattr(other, name)))
                for name in ("silver", "gold", "marts")}  # fmt: skip
        return replace(self, each=self.each + other.each, **once)

    def as_json(self) -> dict[str, Any]:
        values = {"tables": self.each, "marts": self.marts}
        others = {name: fact for name, fact in vars(self).items()
                  if fact and name not in ("each", "marts", "own")}  # fmt: skip
        return others | {name: [one.as_json() for one in each] for name, each in values.items()}

    @property
    def captured(self) -> tuple[Table, ...]:
        return tuple(table for table in self.each if table.is_captured)

    @property
    def published(self) -> tuple[Table, ...]:
        """Those that the publication may have: captured, or removed as told, perhaps just now."""
        return tuple(table for table in self.each if table.is_captured or table.published)

    @property
    def versioned(self) -> tuple[Table, ...]:
        return tuple(table for table in self.each if table.history)

    @property
    def declared_marts(self) -> tuple[Mart, ...]:
        return self.marts + self.own.marts

    def mart(self, name: str) -> Mart | None:
        """The mart of this name or of gold.name, if one is declared."""
        named = {mart.name: mart for mart in self.declared_marts}
        return named.get(name.removeprefix("gold."))

    def of(self, table: Table) -> Table | None:
        """The one of the same table of the source, if there is one."""
        return by_source(self.each).get(table.source.strings)

    def made(self, cursor: Cursor) -> list[Table]:
        """Those whose history is in the warehouse, with their bronze."""
        named = [[each.silver.as_string(cursor), each.bronze.as_string(cursor)]
                 for each in self.versioned]  # fmt: skip
        sqlfile.run(cursor, "tables_made", (json.dumps(named),))
        return [self.versioned[place] for (place,) in cursor]

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
        here = by_source(self.each)
        ended = tuple(replace(each, is_captured=False) for each in before.versioned
                      if each.source.strings not in here)  # fmt: skip
        made = self + replace(before, each=ended) if ended else self
        return replace(made, news=before.news)

    def check(self, kept: Self, database: str, facts: Sequence[str] = MADE) -> None:
        """Raise MedallionError where these say otherwise than those that a warehouse keeps: what.

        How columns are read is no difference: that may be said anew.
        """
        if lines := self._differences(kept, facts):
            raise refusal("other tables", database=database, differences="\n".join(lines))

    def _differences(self, kept: Self, facts: Sequence[str]) -> list[str]:
        here, there = by_source(self.captured), by_source(kept.captured)
        lines = [f"    {here[name].shown}: not in the warehouse" for name in here.keys() - there]
        lines += [f"    {there[name].shown}: in the warehouse only" for name in there.keys() - here]
        for name in here.keys() & there.keys():
            for fact in facts:
                said, known = (getattr(each[name], fact) for each in (here, there))
                if said != known and not (fact == "by_month" and there[name].named(said) == known):
                    told = f"{fact} is {said}, and {known} in the warehouse"
                    lines.append(f"    {here[name].shown}: {told}")
        return sorted(lines)

    def reading(self, declared: Self | None, *facts: str) -> Self:
        """These, with what others declare of the same tables: how columns are read, or `facts`."""
        if declared is None:
            return self
        said = by_source(declared.each)

        def read(table: Table) -> Table:
            other = said.get(table.source.strings, table)
            its = {fact: getattr(other, fact) or getattr(table, fact) for fact in facts or READ}
            if table.follows and not other.columns:  # they may have been renamed since
                its["renamed"] = {**other.renamed, **table.renamed}
                its |= {"by_month": table.named(its["by_month"])} if "by_month" in its else {}
            return replace(table, **its)

        made = declared.taken_over(self) if facts else self
        return replace(made, each=tuple(map(read, self.each)), own=self.own)

    @classmethod
    def read(cls, cursor: Cursor, oldest: int = VERSION) -> Self:
        """Those that the warehouse keeps.

        Raises MedallionError where it is of a form before the `oldest` or after this code's.
        """
        database = cursor.connection.info.dbname
        if not is_there(cursor, sql.Identifier("meta", "warehouse")):
            raise refusal("earlier version", database=database)
        version, kept = sqlfile.run(cursor, "tables_read").fetchone()
        if version < oldest:
            raise refusal("earlier version", database=database)
        if version > VERSION:
            raise refusal("later version", database=database, found=version, here=VERSION)
        return cls._of_kept(kept)

    @classmethod
    @lru_cache(16)  # who follows the source reads them with each landing
    def _of_kept(cls, kept: str) -> Self:
        kept = json.loads(kept)
        lists = {name: tuple(kept.get(name, ())) for name in ("silver", "gold", "watched")}
        lists["news"] = tuple(map(tuple, kept.get("news", ())))
        marts = tuple(map(Mart.of_json, kept.get("marts", ())))
        own = Own.of_json(kept["own"]) if kept.get("own") else Own()
        tables = tuple(map(Table.of_json, kept["tables"]))
        return cls(tables, source=kept.get("source"), marts=marts, own=own, **lists)

    @classmethod
    def change(cls, cursor: Cursor, how: Callable[[Self], Self]) -> Self:
        """Let the warehouse know them otherwise, and nobody else until the transaction ends."""
        cursor.execute("SELECT FROM meta.warehouse FOR UPDATE")
        changed = how(cls.read(cursor))
        changed.keep(cursor)
        return changed

    def put(self, *tables: Table) -> Self:
        """These with the tables in the place of those of the same name, or at the end."""
        new = by_source(tables)
        each = [new.pop(table.source.strings, table) for table in self.each]
        return replace(self, each=(*each, *new.values()))

    def telling(self, at: str, sentences: Iterable[str]) -> Self:
        """These with more news."""
        news = (*self.news, *((at, sentence) for sentence in sentences))
        return replace(self, news=news[-NEWS:])

    def made_like(self, made: Self) -> Self:
        """These, of which the same follow their source's columns as of others."""
        each = (replace(table, follows=(made.of(table) or table).follows) for table in self.each)
        return replace(self, each=tuple(each))

    def evolved(self, table: Table, told: Sequence[str], at: str) -> Self:
        """These once a table's columns have changed, and the sentences on that which are new."""
        facts = {fact: getattr(table, fact) for fact in EVOLVING}
        each = tuple(replace(other, **facts) if other.source == table.source else other
                     for other in self.each)  # fmt: skip
        known = {text for _, text in self.news} if each == self.each else ()
        return replace(self, each=each).telling(at, (text for text in told if text not in known))

    def keep(self, cursor: Cursor) -> None:
        """Let the warehouse know them; the marts of a user's own stay."""
        facts = {"version": VERSION, "tables": json.dumps(self.as_json())}
        cursor.execute(sqlfile.read("tables_keep"), facts)


NONE = Tables()


def described(captured: Iterable[Table]) -> str:
    """Tables as JSON, for the checks of the source."""
    names = ("schema", "name", "bronze_schema", "published", "is_captured", "is_pending",
             "is_unread")  # fmt: skip
    return json.dumps([{name: getattr(each, name) for name in names}
                       | {"key": each.source_key, "events": each.bronze.strings[1]}
                       for each in captured])  # fmt: skip


def is_there(cursor: Cursor, relation: sql.Identifier) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (relation.as_string(cursor),))
    return cursor.fetchone()[0]
