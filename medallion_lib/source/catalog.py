"""What the source's catalog says of the tables whose changes are in the log."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal, refusing
from medallion_lib.source.evolution import Found, evolved, numbered
from medallion_lib.source.pgoutput import Relation
from medallion_lib.tables import EVOLVING, NONE, Table, Tables, described


@dataclass
class Catalog:
    """Answers from the catalog as it is now, through a cursor on the source."""

    cursor: Cursor
    tables: Sequence[Table]  # those that are captured
    known: Mapping[str, str] | None = None  # what names meant, as `names` tells it

    def clock(self) -> datetime:
        """The source's time of day."""
        self.cursor.execute("SELECT clock_timestamp()")
        return self.cursor.fetchone()[0]

    def names(self, known: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the names of tables, columns and enums' labels mean, and those meant that are gone.

        Raises MedallionError where one means something else than was known: rows not written since
        are in bronze under its old meaning. A table that is added again is read anew.
        """
        self.cursor.execute(sqlfile.read("source/names"), {"captured": described(self.tables)})
        now, shown, unread = self.cursor.fetchone()
        unread = tuple(end for name in unread for end in (f"table {name}", f" of {name}"))
        known = {name: of for name, of in (known or {}).items() if not name.endswith(unread)}
        both = {**now, **known}
        changed = [name for name in now if both[name] != now[name]]
        if changed:
            lines = (f"    {shown[each]}: {both[each]} then, {now[each]} now" for each in changed)
            raise refusal("names changed", changed="\n".join(lines))
        return both

    def hold(self) -> bool:
        """Keep the tables from being emptied or rewritten; whether none was since the snapshot.

        A transaction that reads as of an earlier snapshot finds such a table empty.
        """
        names = [table.source for table in self.tables]
        lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
        self.cursor.execute(lock.format(sqlfile.each(names)))
        of = {"tables": [name.as_string(self.cursor) for name in names]}
        return not sqlfile.run(self.cursor, "source/rewritten", of).fetchone()[0]

    def captured(self, relation: Relation) -> Table:
        """The captured table that a relation is, or is a partition of.

        Raises MedallionError for any other relation. Of one dropped since, its table is not known,
        unless that is captured no more.
        """
        self.cursor.execute(sqlfile.read("source/relation_root"), {"relation": relation.oid})
        root, was = self.cursor.fetchone(), [[relation.schema, relation.name]]
        of = f"partition {relation.oid} of "
        was += [json.loads(is_) for name, is_ in (self.known or {}).items() if name.startswith(of)]
        for table in self.tables:
            name = [table.schema, table.name]
            if name == [*root] if root else not table.is_captured and name in was:
                return table
        raise refusal("relation not captured", relation=relation.quoted)

    def found(self, table: Table) -> list[Found]:
        """The columns that a table has now."""
        of = (table.source.as_string(self.cursor),)
        return [Found(*row[:6]) for row in sqlfile.run(self.cursor, "source/columns", of)]

    def come(self, known: Mapping[str, str]) -> Iterator[tuple[Table, Found]]:
        """Columns that are new since `names` was `known`, and not null in earlier rows."""
        called = "SELECT format('column %%I of %%I.%%I', %s::text, %s::text, %s::text)"
        for table in self.tables:
            for each in self.found(table):
                if each.missing is not None or each.is_filled:
                    self.cursor.execute(called, (each.name, table.schema, table.name))
                    if self.cursor.fetchone()[0] not in known:
                        yield table, each

    def oid(self, table: Table) -> str:
        """What tells the table from another that gets its name later."""
        return str(self.relation(table).oid)

    def kept(self, table: Table, each: Found) -> dict[str, str]:
        """What is to be known of a column with `names`: the log may tell of it when it is gone."""
        return {f"column {each.number} of relation {self.oid(table)}": json.dumps(each[2:])}

    def found_then(self, table: Table, relation: Relation) -> list[Found]:
        """The columns that a relation had when the stream described it, with what is known of them.

        Raises MedallionError where one is none of those that the table has now, nor known to have
        become one.
        """
        now = {each.name: each for each in self.found(table)}
        of, dropped = (table.source.as_string(self.cursor),), ()
        if not now.keys() >= {*relation.columns}:
            self.cursor.execute(sqlfile.read("source/columns_dropped"), of)
            dropped = [number for (number,) in self.cursor.fetchall()]
        by_number = {each.number: each for each in now.values()}
        numbers = {name: each.number for name, each in now.items()}
        then = numbered(table, relation.columns, numbers, dropped)
        if then is None:
            lost = [name for name in relation.columns if name not in now]
            raise refusal("columns not known", table=table.shown, columns=", ".join(lost))
        for number in {*then} - {*by_number}:
            (name,) = self.kept(table, Found(number, ""))
            by_number[number] = Found(number, "", *json.loads((self.known or {}).get(name, "[]")))
        return [by_number[number]._replace(name=name)
                for number, name in zip(then, relation.columns, strict=True)]  # fmt: skip

    def as_it_is(self, table: Table) -> Table:
        """The table by silver's names, with the names that its source has now, for rows read there.

        What the log says of its columns may be yet to come.
        """
        if not table.follows:
            return table
        seen, _ = evolved(table, self.found(table))
        pairs = [*zip(table.columns, seen.columns, strict=False)]
        renamed = {was.name: seen.in_bronze(now.name) for was, now in pairs}
        gone = {was.name for was, now in pairs if now.name in seen.gone}
        return replace(table, renamed=renamed, gone=tuple({*table.gone, *gone}))

    def base_types(self, relation: Relation) -> dict[int, int]:
        """The type that each domain among a relation's columns stands for in the end, by oid."""
        self.cursor.execute(sqlfile.read("source/domains"), {"types": list(relation.types)})
        return dict(self.cursor.fetchall())

    def relation(self, table: Table) -> Relation:
        """A table as the stream would describe it."""
        self.cursor.execute(sqlfile.read("source/relation"), (table.source.as_string(self.cursor),))
        oid, columns, types = self.cursor.fetchone()
        facts = (table.schema, table.name, "f", tuple(columns), tuple(types), frozenset(columns))
        return Relation(oid, *facts)

    def excluded(self, table: Table, columns: Sequence[str]) -> frozenset[str]:
        """Those of a table's columns that are not to land, also where they are renamed since.

        Raises MedallionError where one may be such a column under a name that nothing explains.
        """
        if not table.excluded:
            return frozenset()
        found, unknown, _ = self._excluded(table, columns)
        if unknown:
            raise refusal("column not known", table=table.shown, column=unknown)
        return frozenset(found)

    def names_excluded(self) -> dict[str, str]:
        """What is to be known of excluded columns, to tell them under other names from now on."""
        every = (self._excluded(table, ())[2] for table in self.tables if table.excluded)
        return {name: number for each in every for name, number in each.items()}

    def _excluded(self, table: Table, columns: Sequence[str]) -> tuple:
        facts = {"schema": table.schema, "name": table.name, "excluded": [*table.excluded]}
        facts |= {"columns": [*columns], "known": self.known and json.dumps(self.known)}
        return sqlfile.run(self.cursor, "source/excluded", facts).fetchone()

    def searched(self) -> list[Table]:
        """Those of the tables whose rows are looked for in bronze, by their key.

        The log may name a row by its key alone; or one table's rows are looked up in others.
        """
        if any(table.lookups for table in self.tables):
            return [*self.tables]
        named = {table.source.as_string(self.cursor): table for table in self.tables}
        found = sqlfile.run(self.cursor, "source/named_by_key", {"tables": [*named]})
        return [named[name] for (name,) in found]

    def rows_expected(self) -> int | None:
        """About how many rows the tables have together, if the source has ever counted them."""
        facts = {"captured": described(self.tables)}
        return sqlfile.run(self.cursor, "source/rows_expected", facts).fetchone()[0]

    def is_all_of(self, table: Table, leaves: list[int]) -> bool:
        """Whether no partition of the table is missing among these; true where it has none."""
        of = {"table": table.source.as_string(self.cursor), "leaves": leaves}
        return not sqlfile.run(self.cursor, "source/leaves_missing", of).fetchone()[0]

    def rows_in(
        self, table: Table, leaves: list[int], xid: int, rows: Iterable[str]
    ) -> list[str]:
        """Those of the rows, JSON as bronze has it, that these partitions held in a transaction.

        Raises MedallionError when that is not known: one is none any more, has other bounds, or
        such as only its own table can compare.
        """
        of = {"leaves": leaves, "xid": str(xid)}
        bounds, columns = sqlfile.run(self.cursor, "source/partition_bounds", of).fetchone()
        if bounds is None:
            raise refusal("partition gone", table=table.shown)
        value = sql.SQL("(given.full_row::jsonb ->> {})::{} AS {}")
        values = [
            value.format(sql.Literal(name), sql.SQL(type_.replace("%", "%%")), sql.Identifier(name))
            for name, type_ in columns
        ]
        within = sqlfile.compose(
            "source/rows_within",
            names=sqlfile.each(sql.Literal(name) for name, _ in columns),
            values=sqlfile.each(values),
            bounds=sql.SQL(bounds.replace("%", "%%")),
        )
        # PostgreSQL does not read the bounds that it prints of a domain over an enum.
        with refusing("partition not told", errors.UndefinedFunction, table=table.shown):
            self.cursor.execute(within, {"rows": list(rows)})
        found = self.cursor.fetchall()
        if any(lacks_column for _, lacks_column in found):
            raise refusal("partition gone", table=table.shown)
        return [row for row, _ in found]


def completed(at_source: Cursor, tables: Tables, kept: Tables = NONE) -> Tables:
    """The tables with the columns that the source has of them, for histories to be made of.

    Those that a warehouse keeps already are taken as it knows them.
    """
    known = {table.silver.strings: table for table in kept.versioned}

    def with_columns(table: Table) -> Table:
        before = known.get(table.silver.strings) if table.history else None
        is_kept = before and before.source == table.source and not table.columns
        if not (is_kept and before.evolves):
            made = _completed(at_source, table)
            return replace(made, follows=before.follows) if is_kept else made
        facts = {fact: getattr(before, fact) for fact in (*EVOLVING, "follows")}
        return replace(table, **facts | {"renamed": {**table.renamed, **before.renamed}})

    return replace(tables, each=tuple(map(with_columns, tables.each)))


def _completed(at_source: Cursor, table: Table) -> Table:
    if not table.history or table.columns:
        return table
    made, _ = evolved(table, Catalog(at_source, ()).found(table))
    columns = tuple(each._replace(missing=None) for each in made.columns)  # all rows have a value
    return replace(made, columns=columns)
