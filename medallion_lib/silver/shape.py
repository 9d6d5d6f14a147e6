"""A silver table's columns, and the statements made from them and its declaration."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.silver.values import NO_TIME, PLAIN, READ_AS, TIMES, WHOLE
from medallion_lib.tables import Column, Table

# What the statements call their own beside a table's columns.
OWN_NAMES = ("is_newest", "first_change", "row_before", "merge_action", "is_key_closed")
PAIRS = 50  # that jsonb_build_object takes: a function has 100 arguments at most


class Shape(NamedTuple):
    """A versioned table and its columns as they are in the database, but for the system's."""

    table: Table
    types: dict[str, str]
    plain: dict[str, str]  # the types without length or precision
    nullable: frozenset[str] = frozenset()
    kept: Mapping[str, Column] = MappingProxyType({})  # as the warehouse keeps columns, by name

    def __hash__(self) -> int:
        return hash(self.table)

    @classmethod
    def read(cls, cursor: Cursor, table: Table) -> Self:
        cursor.execute(sqlfile.read("silver/columns"), (table.silver.as_string(cursor),))
        columns = cursor.fetchall()
        types, plain = ({row[0]: row[place] for row in columns} for place in (1, 2))
        nullable = frozenset(row[0] for row in columns if row[3])
        return cls(table, types, plain, nullable, {each.name: each for each in table.columns})

    @property
    def keys(self) -> list[str]:
        """The columns that tell rows apart.

        Raises MedallionError where silver has none for one of the source's: rows would become one.
        """
        table = self.table
        if missing := [name for name in table.silver_key if name not in self.types]:
            facts = {"table": table.shown_history, "source": table.shown, "missing": missing[0]}
            raise refusal("key not in silver", **facts, key=", ".join(table.key))
        return table.silver_key

    @property
    def from_source(self) -> list[str]:
        """The columns whose values the source's row has."""
        return [name for name in self.types if name not in self.table.lookups]

    def text(self, name: str, row: str = "") -> sql.Composable:
        """The column's value in bronze, as text."""
        names, missing = self.table.in_bronze(name), self.column(name).missing
        found = sqlfile.each(map(sql.Literal, names), row + "full_row ->> {}")
        found = found if len(names) == 1 else sql.SQL("coalesce({})").format(found)
        if missing is None:
            return found
        listed = sqlfile.each(map(sql.Literal, names))
        is_there = sql.SQL(row + "full_row ?| ARRAY[{}]").format(listed)
        either = sql.SQL("CASE WHEN {} THEN {} ELSE {} END")
        return either.format(is_there, found, sql.Literal(missing))

    def column(self, name: str) -> Column:
        return self.kept.get(name) or Column(name, self.types[name])

    def value(self, name: str, row: str = "") -> sql.Composed:
        """The value; a cast to the type with its length would cut what is longer, unnoticed."""
        return sql.SQL("({})::{}").format(self.text(name, row), sql.SQL(self.plain[name]))

    def _is_exact(self, name: str) -> sql.Composed | None:
        """Whether the column holds a value as it is; None where only an error says otherwise."""
        element, type_ = self.plain[name].removesuffix("[]"), sql.SQL(self.types[name])
        if element in WHOLE and self.types[name] == self.plain[name]:
            return None
        held = sql.SQL("{}::{}").format(self.value(name), type_)
        if self.plain[name] == "bpchar":  # whose text is without the blanks at its end
            return sql.SQL("{} IS NOT DISTINCT FROM {}").format(self.value(name), held)
        wider = READ_AS.get(element, "text") + self.plain[name].removeprefix(element)
        as_wider = wider + "::text" * (element == "interval")  # else 30 days equal a month
        to_wider = "{}::{}" if element == "money" else "{}::text::{}"
        return sqlfile.compose(
            "silver/value_exact",
            text=sql.SQL("({})").format(self.text(name)),
            held=held,
            is_json=sql.Literal(self.plain[name] == "jsonb"),
            is_time=sql.Literal(wider.startswith(TIMES)),
            no_time=sql.Literal(NO_TIME),
            wider=sql.SQL(as_wider),
            wider_name=sql.Literal(wider),
            widened=sql.SQL(to_wider).format(held, sql.SQL(as_wider)),
        )

    def expected(self, name: str) -> sql.Composed:
        """The value under its name, as silver prints it unless that cuts it."""
        value, type_ = self.value(name), sql.SQL(self.types[name])
        if self.types[name] != self.plain[name]:
            either = sql.SQL("CASE WHEN {} THEN {value}::{} ELSE {value} END")
            value = either.format(self._is_exact(name), type_, value=value)
        return sql.SQL("{} AS {}").format(value, sql.Identifier(name))

    def statement(self, counted: bool = False) -> sql.Composed:
        """The table's MERGE. Parameters: the positions since and upto.

        One that is `counted` takes how many `events` there are, too, and reads one more at most: of
        any part of bronze the planner expects a hundredth of it at least, and for so many it would
        read every current row.
        """
        table, keys, own = self.table, self.keys, self._own_names()
        assigned = [name for name in self._written if name not in keys or not self._has_plain_keys]
        in_month = "AND hist.{month} = (newest.{row_before}).{month}" if table.by_month else ""
        if table.by_month in self.nullable:
            in_month = in_month.replace("=", "IS NOT DISTINCT FROM")  # reads all months
        keeps_row = table.by_month or table.lookups
        return sqlfile.compose(
            "silver/merge",
            **own,
            versions=self._versions_of_changes(),
            bronze=table.bronze,
            counted=sql.SQL("LIMIT %(events)s + 1" if counted else ""),
            silver=table.silver,
            silver_keys=self._each_key("{name} AS {own}"),
            row_now=sql.SQL("coalesce(hist.*)" if keeps_row else "NULL"),
            is_hist=sqlfile.identifiers(keys, "hist.{0} = newest.{0}", " AND "),
            in_month=sql.SQL(in_month).format(month=sql.Identifier(table.by_month or "-"), **own),
            columns=sqlfile.identifiers(self._written),
            newest_values=sqlfile.identifiers(self._written, "newest.{}"),
            old_values=sqlfile.identifiers(self._written, "old.{}"),
            assignments=sqlfile.identifiers(assigned, "{0} = newest.{0}, ", ""),
        )

    def whole_history(self, bronze: sql.Composable | None = None) -> sql.Composed:
        """The query of all the table's versions, by bronze alone. Parameter: the position upto.

        `bronze`, where it is given, has the changes of some keys alone. Values have the types
        without length. Look-ups need silver's table to be there, for its row's type, and their
        functions.
        """
        no_row = sql.SQL("NULL::{}").format(self.table.silver)
        return sqlfile.compose(
            "silver/whole_history",
            versions=self._versions_of_changes(),
            bronze=bronze or self.table.bronze,
            no_keys=self._each_key("NULL::{type} AS {own}"),
            no_row=no_row if self.table.lookups else sql.SQL("NULL"),
            columns=sqlfile.identifiers(self._written),
        )

    def _versions_of_changes(self) -> sql.Composed:
        table, named = self.table, sql.SQL("{} AS {}")
        values = [named.format(self.value(name, "version."), sql.Identifier(name))
                  for name in self.from_source if name not in self.keys]  # fmt: skip
        looked_up = [sql.Identifier("looked_up", name) for name in table.lookups]
        schema, nothing = sql.Identifier(table.bronze_schema), sql.SQL("")
        return sqlfile.compose(
            "silver/versions_of_changes",
            **self._own_names(),
            row_keys=self._each_key("{own}"),
            key_values=self._each_key("{value} AS {own}"),
            key_types=self._each_key("{own} {plain}"),
            is_complete=self.is_complete(),
            is_exact=self.are_exact(),
            row=self.row(),
            texts=self.texts(),
            values=sqlfile.each([self._each_key("{own} AS {name}"), *values, *looked_up]),
            lookup=sqlfile.compose(table.lookup, schema=schema) if looked_up else nothing,
        )

    def row(self) -> sql.SQL:
        """A long row is stored compressed; so it is unpacked once, and not for each value."""
        return sql.SQL("full_row || '{}'" if len(self.from_source) > PAIRS else "full_row")

    @property
    def _written(self) -> list[str]:
        """All columns of a version but the system's."""
        return [*self.from_source, *self.table.lookups]

    @property
    def _has_plain_keys(self) -> bool:
        """Whether keys that are equal are written alike: 1.0 and 1.00 are one numeric key."""
        return all(self.plain[name] in PLAIN for name in self.keys)

    def _each_key(self, one: str) -> sql.Composed:
        """A list of `one` for each key; {own} is a name for it that no column is in the way of."""
        each = sql.SQL(one)
        return sql.SQL(", ").join(
            each.format(
                own=sql.SQL(f"row_key_{number}"),
                name=sql.Identifier(name),
                value=self.value(name),
                type=sql.SQL(self.types[name]),
                plain=sql.SQL(self.plain[name]),
            )
            for number, name in enumerate(self.keys, 1)
        )

    def _own_names(self) -> dict[str, sql.SQL]:
        """What the statements call their own, or something like it that no column is called."""
        return {name: sql.SQL(self._free(name)) for name in OWN_NAMES}

    def _free(self, name: str) -> str:
        return self._free(name + "_") if name in self.types else name

    def texts(self) -> sql.Composed:
        """The source's columns as one jsonb object of texts, for the row's hash."""
        kept = {name: self.column(name) for name in self.from_source}
        plain = {each.hashed or name: self.text(name)
                 for name, each in kept.items() if each.missing is None}  # fmt: skip
        names, texts = sqlfile.each(map(sql.Literal, plain)), sqlfile.each(plain.values())
        pairs = [self._hashed(name) for name, each in kept.items() if each.missing is not None]
        parts = [sqlfile.each(pairs[at : at + PAIRS]) for at in range(0, len(pairs), PAIRS)]
        # jsonb_build_object looks up the types of its arguments for each row.
        each = sql.SQL("jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[])").format(names, texts)
        return each + sqlfile.each(parts, " || jsonb_build_object({})", "")

    def _hashed(self, name: str) -> sql.Composed:
        """A later column's part of the hash: under its first name, nothing for what all rows had.

        So neither a new name nor a new column changes the hash of a row that is there. No value is
        JSON's false where all rows had one: null would be as nothing.
        """
        column, value = self.column(name), self.text(name)
        had = "CASE WHEN {0} IS NULL THEN 'false' WHEN {0} <> {1} THEN to_jsonb({0}) END"
        value = sql.SQL(had).format(value, sql.Literal(column.missing))
        return sql.SQL("{}, {}").format(sql.Literal(column.hashed or name), value)

    def _expected(self) -> dict[str, tuple[str, ...]]:
        """The columns that every row of the source should have, by their names there.

        None where capture follows them: an earlier row may lack a later one.
        """
        if self.table.follows:
            return {}
        return {name: self.table.in_bronze(name) for name in self.from_source
                if name not in self.table.gone}  # fmt: skip

    def is_complete(self) -> sql.Composed:
        names = self._expected().values()
        alone = sqlfile.each(sql.Literal(first) for first, *more in names if not more)
        several = [sqlfile.each(map(sql.Literal, each)) for each in names if len(each) > 1]
        every = sql.SQL("full_row ?& ARRAY[{}]::text[]").format(alone)
        some = [sql.SQL("full_row ?| ARRAY[{}]").format(each) for each in several]
        return sql.SQL(" AND ").join([every, *some])

    def check(self, cursor: Cursor, batch: dict[str, int]) -> None:
        """Raise MedallionError for the first row of a batch that silver can't take."""
        self._check_complete(cursor, batch)
        self._check_exact(cursor, batch)

    def _check_complete(self, cursor: Cursor, batch: dict[str, int]) -> None:
        """Raise MedallionError when rows lack a tracked column that rows before them had."""
        pair = sql.SQL("({}, ARRAY[{}])")
        expected = [pair.format(sql.Literal(name), sqlfile.each(map(sql.Literal, names)))
                    for name, names in self._expected().items()]  # fmt: skip
        if not expected:
            return
        query = sqlfile.compose(
            "silver/column_gone", bronze=self.table.bronze, expected=sqlfile.each(expected)
        )
        cursor.execute(query, batch)
        if found := cursor.fetchone():
            column, position = found
            names = ", ".join(f'"{name}"' for name in self.table.in_bronze(column))
            facts = {"table": self.table.shown_history, "column": column, "names": names}
            raise refusal("column gone", position=position, **facts)

    def are_exact(self) -> sql.Composed:
        each = [exact for name in self.from_source if (exact := self._is_exact(name))]
        return sql.SQL(" AND ").join([sql.SQL("true"), *each])

    def _check_exact(self, cursor: Cursor, batch: dict[str, int]) -> None:
        """Raise MedallionError when silver's column can't hold a value, or not exactly."""
        one = sql.SQL("({name}, {type}, {text}, CASE WHEN NOT pg_input_is_valid({text}, {type}) "
                      "THEN false ELSE {exact} END)")  # fmt: skip
        each = [
            one.format(name=sql.Literal(name), type=sql.Literal(self.types[name]),
                       text=self.text(name), exact=self._is_exact(name) or sql.SQL("true"))
            for name in self.from_source
        ]  # fmt: skip
        parts = {"bronze": self.table.bronze, "values": sqlfile.each(each)}
        query = sqlfile.compose("silver/value_unfit", **parts)
        cursor.execute(query, batch)
        if found := cursor.fetchone():
            column, type_, value = found
            reason = f"{column} is {type_} there, and the source has {value!r}"
            raise self.unfit(reason)

    def unfit(self, reason: str) -> Exception:
        """The refusal of a value that silver's column can't hold, with the table's remedy."""
        about = "value does not fit its column" if self.table.follows else "value does not fit"
        return refusal(about, table=self.table.shown_history, reason=reason)
