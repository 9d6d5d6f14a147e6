"""A silver table's columns, and the statements made from them and its declaration."""

from typing import NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import Table

# Types that hold every value that they take. Others drop of an instant its hour or zone, of a text
# its end, of a number its digits, unnoticed.
WHOLE = (
    "smallint", "integer", "bigint", "numeric", "boolean", "text", "character varying", "bpchar",
    "uuid", "json", "xml", "bytea", "inet", "cidr", "macaddr", "macaddr8", "numrange",
)  # fmt: skip
# What values of a type are read as, and compared, where silver writes them otherwise than the
# source. Of any other type they must be written alike.
READ_AS = {
    **dict.fromkeys(("numeric", "real", "double precision", "money"), "numeric"),
    "timestamp without time zone": "timestamptz", "timestamp with time zone": "timestamptz",
    "tsrange": "tstzrange", "tstzrange": "tstzrange",
    "tsmultirange": "tstzmultirange", "tstzmultirange": "tstzmultirange",
    "bpchar": "bpchar", "interval": "interval",
}  # fmt: skip
# In the text of a time: what is another time tomorrow, and what is beyond microseconds.
TIMES = ("timestamptz", "tstz", "interval")
NO_TIME = r"now|to(day|morrow)|yesterday|\.\d{6}\d*[1-9]"
# Types whose equal values are written alike.
PLAIN = ("smallint", "integer", "bigint", "date", "timestamp with time zone", "uuid")
# What the merge calls its own beside a table's columns.
OWN_NAMES = ("is_newest", "first_change", "row_before", "merge_action", "is_key_closed")
PAIRS = 50  # that jsonb_build_object takes: a function has 100 arguments at most


class Shape(NamedTuple):
    """A versioned table and its columns as they are in the database, but for the system's."""

    table: Table
    types: dict[str, str]
    plain: dict[str, str]  # the types without length or precision
    nullable: frozenset[str] = frozenset()

    @classmethod
    def read(cls, cursor: Cursor, table: Table) -> Self:
        cursor.execute(sqlfile.read("silver/columns"), (table.silver.as_string(cursor),))
        columns = cursor.fetchall()
        types, plain = ({row[0]: row[place] for row in columns} for place in (1, 2))
        nullable = frozenset(row[0] for row in columns if row[3])
        return cls(table, types, plain, nullable)

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
    def tracked(self) -> list[str]:
        """The columns whose change opens a version: all of a row's but the id that ends its key."""
        return [name for name in self.from_source if name != self.keys[-1]]

    @property
    def from_source(self) -> list[str]:
        """The columns whose values the source's row has."""
        return [name for name in self.types if name not in self.table.lookups]

    def text(self, name: str, row: str = "") -> sql.Composable:
        """The column's value in bronze, as text."""
        return self._in_bronze(name, row + "full_row ->> {}")

    def value(self, name: str, row: str = "") -> sql.Composed:
        """The value; a cast to the type with its length would cut what is longer, unnoticed."""
        return sql.SQL("({})::{}").format(self.text(name, row), sql.SQL(self.plain[name]))

    def _is_exact(self, name: str) -> sql.Composed | None:
        """Whether the column holds a value as it is; None where only an error says otherwise."""
        element, type_ = self.plain[name].removesuffix("[]"), sql.SQL(self.types[name])
        if element in WHOLE and self.types[name] == self.plain[name]:
            return None
        wider = READ_AS.get(element, "text") + self.plain[name].removeprefix(element)
        as_wider = wider + "::text" * (element == "interval")  # else 30 days equal a month
        held = sql.SQL("{}::{}").format(self.value(name), type_)
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

    def _in_bronze(self, name: str, path: str) -> sql.Composable:
        names = self.table.in_bronze(name)
        found = sqlfile.each(map(sql.Literal, names), path)
        return found if len(names) == 1 else sql.SQL("coalesce({})").format(found)

    def statement(self) -> sql.Composed:
        """The table's MERGE. Parameters: the positions since and upto."""
        table, tracked, keys = self.table, self.tracked, self.keys
        columns = [keys[-1], *tracked, *table.lookups]
        schema = sql.Identifier(table.bronze_schema)
        assigned = [name for name in columns if name not in keys or not self._has_plain_keys]
        named = sql.SQL("{} AS {}")
        named_keys = [(sql.Identifier(n), sql.SQL(f"row_key_{at}")) for at, n in enumerate(keys, 1)]
        values = [named.format(self.value(n, "version."), sql.Identifier(n))
                  for n in tracked if n not in keys]  # fmt: skip
        keyed = [named.format(row, key) for key, row in named_keys]
        looked_up = [sql.Identifier("looked_up", name) for name in table.lookups]
        own = {name: sql.SQL(self._free(name)) for name in OWN_NAMES}
        in_month = "AND hist.{month} = (newest.{row_before}).{month}" if table.by_month else ""
        if table.by_month in self.nullable:
            in_month = in_month.replace("=", "IS NOT DISTINCT FROM")  # reads all months
        return sqlfile.compose(
            "silver/merge",
            **own,
            row_now=sql.SQL("coalesce(now.*)" if table.by_month else "NULL"),
            in_month=sql.SQL(in_month).format(month=sql.Identifier(table.by_month or "-"), **own),
            silver=table.silver,
            bronze=table.bronze,
            **self._key_places(named_keys),
            is_hist=sqlfile.identifiers(keys, "hist.{0} = newest.{0}", " AND "),
            **self._respelled(),
            is_complete=self._is_complete(),
            is_exact=self._are_exact(),
            # A long row is stored compressed; so it is unpacked once, and not for each value.
            row=sql.SQL("full_row || '{}'" if len(tracked) > PAIRS else "full_row"),
            texts=self._texts(),
            values=sqlfile.each([*keyed, *values, *looked_up]),
            lookup=sqlfile.compose(table.lookup, schema=schema) if looked_up else sql.SQL(""),
            columns=sqlfile.identifiers(columns),
            newest_values=sqlfile.identifiers(columns, "newest.{}"),
            old_values=sqlfile.identifiers(columns, "old.{}"),
            assignments=sqlfile.each(map(sql.Identifier, assigned), "{0} = newest.{0}, ", ""),
        )

    @property
    def _has_plain_keys(self) -> bool:
        """Whether keys that are equal are written alike: 1.0 and 1.00 are one numeric key."""
        return all(self.plain[name] in PLAIN for name in self.keys)

    def _key_places(self, pairs: list[tuple[sql.Identifier, sql.SQL]]) -> dict[str, sql.Composed]:
        """The keys under names of the merge's own, which no column is in the way of."""
        comma, named = sql.SQL(", "), sql.SQL("{} AS {}")
        own = [row for _, row in pairs]
        texts = [(self.value(n), sql.SQL(self.plain[n])) for n in self.keys]
        same = sql.SQL("now.{} = final_event.{}")
        each = [*zip(own, texts, strict=True)]
        return {
            "row_keys": comma.join(own),
            "silver_keys": comma.join(named.format(*pair) for pair in pairs),
            "key_types": comma.join(sql.SQL("{} {}").format(row, its) for row, (_, its) in each),
            "key_values": comma.join(named.format(value, row) for row, (value, _) in each),
            "final_keys": sqlfile.each(own, "final_event.{}"),
            "is_now": sql.SQL(" AND ").join(same.format(*pair) for pair in pairs),
        }

    def _free(self, name: str) -> str:
        """The name, or one like it that no column has."""
        while name in self.types:
            name += "_"
        return name

    def _respelled(self) -> dict[str, sql.Composable]:
        """What finds keys that are equal and written otherwise than before, for the merge."""
        if self._has_plain_keys:
            return {"key_before": sql.SQL(""), "is_respelled": sql.SQL("")}
        typed = [(sql.SQL(f"row_key_{number}"), sql.SQL(self.types[name]))
                 for number, name in enumerate(self.keys, 1)]  # fmt: skip
        key, final = (sqlfile.each(sql.SQL(one + "{}::{}").format(*pair) for pair in typed)
                      for one in ("", "final_event."))  # fmt: skip
        before = sql.SQL(", lag(ROW({})::text, 1, ROW({})::text) OVER by_time AS key_before")
        other = sql.SQL(" OR row_hash IS NOT NULL AND key_before <> ROW({})::text").format(key)
        now = sqlfile.identifiers(self.keys, "now.{}")
        return {"key_before": before.format(final, now), "is_respelled": other}

    def _texts(self) -> sql.Composed:
        """The source's columns as one jsonb object of texts, for the row's hash."""
        pairs = [sql.SQL("{}, {}").format(sql.Literal(name), self.text(name))
                 for name in self.from_source]  # fmt: skip
        parts = [sqlfile.each(pairs[at : at + PAIRS]) for at in range(0, len(pairs), PAIRS)]
        return sqlfile.each(parts, "jsonb_build_object({})", " || ")

    def _expected(self) -> dict[str, tuple[str, ...]]:
        """The columns that every row of the source should have, by their names there."""
        return {name: self.table.in_bronze(name) for name in self.from_source
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
            "silver/column_gone", bronze=self.table.bronze, expected=sqlfile.each(expected)
        )
        cursor.execute(query, batch)
        if found := cursor.fetchone():
            column, position = found
            names = ", ".join(f'"{name}"' for name in self.table.in_bronze(column))
            facts = {"table": self.table.shown_history, "column": column, "names": names}
            raise refusal("column gone", position=position, **facts)

    def _are_exact(self) -> sql.Composed:
        each = [exact for name in self.from_source if (exact := self._is_exact(name))]
        return sql.SQL(" AND ").join([sql.SQL("true"), *each])

    def check_exact(self, cursor: Cursor, batch: dict[str, int]) -> None:
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
            raise refusal("value does not fit", table=self.table.shown_history, reason=reason)
