"""A silver table's columns, and the statements made from them and its declaration."""

from typing import NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import Versioned

# In a part of a joined key, so that no two keys are joined alike: 1-2 and 3 become 1\-2-3.
ESCAPED = r"""'([-\\])', '\\\1'"""
# Types that take more than they hold, and drop the rest: of an instant the hour, of a text the end,
# of a number its digits. What silver has of a value is read back as this, and compared with it.
READ_BACK = {"real": "numeric", "double precision": "numeric"} | dict.fromkeys(
    ("date", "date[]", "daterange", "datemultirange", "time without time zone", '"char"', "name"),
    "text",
)
PAIRS = 50  # that jsonb_build_object takes: a function has 100 arguments at most


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
            part = f"regexp_replace({path}, {ESCAPED}, 'g')"
            parts = sqlfile.each(map(sql.Literal, self.table.key_of), part, " || '-' || ")
            return sql.SQL("({})").format(parts)
        return self._in_bronze(name, path)

    def value(self, name: str, row: str = "") -> sql.Composed:
        """The value; a cast to the type with its length would cut what is longer, unnoticed."""
        return sql.SQL("({})::{}").format(self.text(name, row), sql.SQL(self.plain[name]))

    def _is_exact(self, name: str) -> sql.Composed | None:
        """Whether the column holds a value as it is; None where only an error says otherwise."""
        value, type_ = self.value(name), sql.SQL(self.types[name])
        if read := READ_BACK.get(self.plain[name]):
            same = f"{{}}::{{}}::text::{read} IS NOT DISTINCT FROM ({{}})::{read}"
            return sql.SQL(same).format(value, type_, self.text(name))
        if self.types[name] == self.plain[name]:
            return None
        return sql.SQL("{0}::{1} IS NOT DISTINCT FROM {0}").format(value, type_)

    def expected(self, name: str) -> sql.Composed:
        """The value under its name, as silver prints it unless that cuts it."""
        value, type_ = self.value(name), sql.SQL(self.types[name])
        if self.types[name] != self.plain[name]:
            either = sql.SQL("CASE WHEN {} THEN {value}::{} ELSE {value} END")
            value = either.format(self._is_exact(name), type_, value=value)
        return sql.SQL("{} AS {}").format(value, sql.Identifier(name))

    def _in_bronze(self, name: str, path: str) -> sql.Composable:
        names = self.table.in_bronze(name)
        found = sqlfile.each(map(sql.Literal, names), path)
        return found if len(names) == 1 else sql.SQL("coalesce({})").format(found)

    def statement(self) -> sql.Composed:
        """The table's MERGE. Parameters: the positions since and upto."""
        table, tracked = self.table, self.tracked
        columns = [table.key, *tracked, *table.carried]
        assigned = columns[self._has_plain_key :]
        named = sql.SQL("{} AS {}")
        values = [named.format(self.value(n, "version."), sql.Identifier(n)) for n in tracked]
        carried = [sql.Identifier("carried", name) for name in table.carried]
        carry = {"schema": sql.Identifier(table.bronze.strings[0])}
        in_month = "AND hist.{0} = (newest.row_before).{0}" if table.by_month else ""
        return sqlfile.compose(
            "merge",
            row_before=sql.SQL("now" if table.by_month else "NULL"),
            in_month=sql.SQL(in_month).format(sql.Identifier(table.by_month or "-")),
            silver=table.silver,
            bronze=table.bronze,
            key=sql.Identifier(table.key),
            key_type=sql.SQL(self.plain[table.key]),
            key_value=self.value(table.key),
            **self._respelled(),
            is_complete=self._is_complete(),
            is_exact=self._are_exact(),
            # A long row is stored compressed; so it is unpacked once, and not for each value.
            row=sql.SQL("full_row || '{}'" if len(tracked) > PAIRS else "full_row"),
            tracked=self._tracked_values(),
            values=sqlfile.each([sql.Identifier("version", table.key), *values, *carried]),
            carry=sqlfile.compose(f"carry_{table.name}", **carry) if carried else sql.SQL(""),
            columns=sqlfile.identifiers(columns),
            newest_values=sqlfile.identifiers(columns, "newest.{}"),
            old_values=sqlfile.identifiers(columns, "old.{}"),
            assignments=sqlfile.each(map(sql.Identifier, assigned), "{0} = newest.{0}, ", ""),
        )

    @property
    def _has_plain_key(self) -> bool:
        """Whether keys that are equal are written alike: 1.0 and 1.00 are one numeric key."""
        return self.plain[self.table.key] in ("smallint", "integer", "bigint")

    def _respelled(self) -> dict[str, sql.Composable]:
        """What finds keys that are equal and written otherwise than before, for the merge."""
        key, type_ = sql.Identifier(self.table.key), sql.SQL(self.types[self.table.key])
        before = (", lag(ROW(final_event.{0}::{1})::text, 1, ROW(now.{0})::text) OVER by_time"
                  " AS key_before")  # fmt: skip
        other = " OR row_hash IS NOT NULL AND key_before <> ROW({0}::{1})::text"
        if self._has_plain_key:
            before = other = ""
        pairs = (("key_before", before), ("is_respelled", other))
        return {place: sql.SQL(part).format(key, type_) for place, part in pairs}

    def _tracked_values(self) -> sql.Composed:
        """The tracked columns as one jsonb object."""
        pairs = [
            sql.SQL("{}, {}").format(sql.Literal(name), self._in_bronze(name, "full_row -> {}"))
            for name in self.tracked
        ]
        parts = [sqlfile.each(pairs[at : at + PAIRS]) for at in range(0, len(pairs) or 1, PAIRS)]
        return sqlfile.each(parts, "jsonb_build_object({})", " || ")

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
