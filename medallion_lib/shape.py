"""A silver table's columns, and the statements made from them and its declaration."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import Versioned


class Shape(NamedTuple):
    """A versioned table and its columns as they are in the database, but for the system's."""

    table: Versioned
    types: dict[str, str]
    plain: dict[str, str]  # the types without length or precision

    @classmethod
    def read(cls, cursor: Cursor, table: Versioned) -> Self:
        cursor.execute(sqlfile.read("columns"), (table.silver.as_string(cursor),))
        columns = cursor.fetchall()
        types = {name: type_ for name, type_, _ in columns}
        return cls(table, types, {name: plain for name, _, plain in columns})

    @property
    def tracked(self) -> list[str]:
        """The columns whose change opens a version."""
        return [name for name in self.types if name not in (self.table.key, *self.table.carried)]

    def text(self, name: str, row: str = "") -> sql.Composable:
        """The column's value in bronze, as text."""
        path = row + "full_row ->> {}"
        if self.table.key_of and name == self.table.key:
            parts = sqlfile.each(map(sql.Literal, self.table.key_of), path)
            return sql.SQL("concat_ws('-', {})").format(parts)
        return self._in_bronze(name, path)

    def value(self, name: str, row: str = "") -> sql.Composed:
        """The value; a cast to the type with its length would cut what is longer, unnoticed."""
        return sql.SQL("({})::{}").format(self.text(name, row), sql.SQL(self.plain[name]))

    def _is_exact(self, name: str) -> sql.Composed | None:
        """Whether the column holds a value as it is; None where only an error says otherwise."""
        if self.types[name] == "date":  # an instant has an hour
            return sql.SQL("({0})::date::text IS NOT DISTINCT FROM {0}").format(self.text(name))
        if self.types[name] == self.plain[name]:
            return None
        exact = sql.SQL("{0}::{1} IS NOT DISTINCT FROM {0}")
        return exact.format(self.value(name), sql.SQL(self.types[name]))

    def _in_bronze(self, name: str, path: str) -> sql.Composable:
        names = self.table.in_bronze(name)
        found = sqlfile.each(map(sql.Literal, names), path)
        return found if len(names) == 1 else sql.SQL("coalesce({})").format(found)

    def values(self, names: Iterable[str], row: str = "") -> sql.Composed:
        """Values under their names, as a SELECT lists them."""
        named = sql.SQL("{} AS {}")
        each = [named.format(self.value(name, row), sql.Identifier(name)) for name in names]
        return sql.SQL(", ").join(each)

    def statement(self) -> sql.Composed:
        """The table's MERGE. Parameters: the positions since and upto."""
        table, tracked = self.table, self.tracked
        columns = [*tracked, *table.carried]
        pair = sql.SQL("{}, {}")
        pairs = [
            pair.format(sql.Literal(name), self._in_bronze(name, "full_row -> {}"))
            for name in tracked
        ]
        carried = [sql.Identifier("carried", name) for name in table.carried]
        carry = {"schema": sql.Identifier(table.bronze.strings[0])}
        in_month = "AND hist.{0} = (newest.before).{0}" if table.by_month else ""
        return sqlfile.compose(
            "merge",
            before=sql.SQL("now" if table.by_month else "NULL"),
            in_month=sql.SQL(in_month).format(sql.Identifier(table.by_month or "-")),
            silver=table.silver,
            bronze=table.bronze,
            key=sql.Identifier(table.key),
            key_value=self.value(table.key),
            is_complete=self._is_complete(),
            is_exact=self._are_exact(),
            tracked=sqlfile.each(pairs),
            values=sqlfile.each([self.values(tracked, "version."), *carried]),
            carry=sqlfile.compose(f"carry_{table.name}", **carry) if carried else sql.SQL(""),
            columns=sqlfile.identifiers(columns),
            newest_values=sqlfile.identifiers(columns, "newest.{}"),
            old_values=sqlfile.identifiers(columns, "old.{}"),
            assignments=sqlfile.identifiers(columns, "{0} = newest.{0}"),
        )

    def _expected(self) -> dict[str, tuple[str, ...]]:
        """The columns that every row of the source should have, by their names there."""
        return {name: self.table.in_bronze(name) for name in self.tracked
                if name not in self.table.gone}  # fmt: skip

    def _is_complete(self) -> sql.Composed:
        names = self._expected().values()
        alone = sqlfile.each(sql.Literal(first) for first, *more in names if not more)
        several = [sqlfile.each(map(sql.Literal, each)) for each in names if len(each) > 1]
        every = sql.SQL("full_row ?& ARRAY[{}]::text[]").format(alone)
        some = [sql.SQL("full_row ?| ARRAY[{}]").format(each) for each in several]
        return sql.SQL(" AND ").join([every, *some])

    def check_complete(self, cursor: Cursor, batch: dict[str, int]) -> None:
        """Raise MedallionError when rows lack a tracked column that rows before them had."""
        pair = sql.SQL("({}, ARRAY[{}])")
        expected = [pair.format(sql.Literal(name), sqlfile.each(map(sql.Literal, names)))
                    for name, names in self._expected().items()]  # fmt: skip
        query = sqlfile.compose(
            "column_gone", bronze=self.table.bronze, expected=sqlfile.each(expected)
        )
        cursor.execute(query, batch)
        if found := cursor.fetchone():
            column, position = found
            names = ", ".join(f'"{name}"' for name in self.table.in_bronze(column))
            facts = {"table": self.table.shown, "column": column, "names": names}
            raise refusal("column gone", position=position, **facts)

    def _from_source(self) -> list[str]:
        return [name for name in self.types if name not in self.table.carried]

    def _are_exact(self) -> sql.Composed:
        each = [exact for name in self._from_source() if (exact := self._is_exact(name))]
        return sql.SQL(" AND ").join([sql.SQL("true"), *each])

    def check_exact(self, cursor: Cursor, batch: dict[str, int]) -> None:
        """Raise MedallionError when silver's column can't hold a value, or not exactly."""
        one = sql.SQL("({name}, {type}, {text}, CASE WHEN NOT pg_input_is_valid({text}, {type}) "
                      "THEN false ELSE {exact} END)")  # fmt: skip
        each = [
            one.format(name=sql.Literal(name), type=sql.Literal(self.types[name]),
                       text=self.text(name), exact=self._is_exact(name) or sql.SQL("true"))
            for name in self._from_source()
        ]  # fmt: skip
        query = sqlfile.compose("value_unfit", bronze=self.table.bronze, values=sqlfile.each(each))
        cursor.execute(query, batch)
        if found := cursor.fetchone():
            column, type_, value = found
            reason = f"{column} is {type_} there, and the source has {value!r}"
            raise refusal("value does not fit", table=self.table.shown, reason=reason)
