"""What lands of a row that was erased while the source had it still: it is erased at once, too.

`upkeep.erase` begins this, by a row in meta.erasure; it ends with the row's delete at the source.
"""

from collections.abc import Mapping

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.tables import Table

_OPEN = "SELECT DISTINCT bronze FROM meta.erasure WHERE key_hash IS NOT NULL"
_ENDED = "UPDATE meta.erasure SET key_hash = NULL, is_ending = false WHERE is_ending"


def key_of_row(table: Table) -> sql.Composed:
    """The values of the key in `full_row`, as one jsonb array."""
    names = ([sql.Literal(each) for each in table.names_at_source(name)] for name in table.key)
    values = (sqlfile.each(each, "full_row -> {}") for each in names)
    return sql.SQL("jsonb_build_array({})").format(sqlfile.each(values, "coalesce({})"))


def erase_again(cursor: Cursor, sent: Mapping[Table, int]) -> bool:
    """Erase what was sent to bronze since these positions; whether there was any to look for."""
    cursor.execute(_OPEN)
    still = {name for (name,) in cursor}
    for table, since in sent.items():
        if (name := table.bronze.as_string(cursor)) in still:
            parts = {"of": sql.Literal(name), "since": sql.Literal(since)}
            parts |= {"bronze": table.bronze, "key": key_of_row(table)}
            cursor.execute(sqlfile.compose("bronze/erased", **parts))
    return bool(still)


def end(cursor: Cursor) -> None:
    """Forget the keys of rows that have gone at the source with what lands now."""
    cursor.execute(_ENDED)


def is_erased(cursor: Cursor, table: Table, key: str) -> bool:
    """Whether the whole row of a key, as JSON, was erased while the source had it still."""
    name = sql.Literal(table.bronze.as_string(cursor))
    parts = {"of": name, "given": sql.Literal(key), "key": key_of_row(table)}
    cursor.execute(sqlfile.compose("bronze/is_erased", **parts))
    return cursor.fetchone()[0]
