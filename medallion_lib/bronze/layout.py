"""Bronze's tables and their indexes, which come once a snapshot's rows are there."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import Table, is_there

LOOKUP = sql.SQL("CREATE INDEX ON {} ((full_row ->> {}), lsn, seq);")


def make_missing(cursor: Cursor, captured: Iterable[Table]) -> None:
    """Make the bronze of each of these tables that has none, without indexes yet."""
    for table in captured:
        if not is_there(cursor, table.bronze):
            make_bronze(cursor, table)


def index_key(cursor: Cursor, table: Table) -> None:
    """Let rows be found by the new name of the key's last column, where they are searched for."""
    if all(has_lookup for *_, has_lookup in _unindexed(cursor, [table])):
        name = sql.Literal(table.source_key[-1])
        cursor.execute(LOOKUP.format(table.bronze, name))


def _unindexed(cursor: Cursor, captured: Iterable[Table]) -> list[tuple[Table, bool, bool, bool]]:
    """Those of the tables whose bronze lacks an index, and which of the three it has."""
    tables = {table.bronze.as_string(cursor): table for table in captured}
    cursor.execute(sqlfile.read("bronze/unindexed"), ([*tables],))
    return [(tables[name], *has) for name, *has in cursor.fetchall()]


def make_bronze(cursor: Cursor, table: Table) -> None:
    meaning = sql.Literal(f"Every committed change of the source table {table.shown}.")
    schema = sql.Identifier(table.bronze_schema)
    parts = {"table": table.bronze, "schema": schema, "meaning": meaning}
    cursor.execute(sqlfile.compose("bronze/table", **parts))


def index_missing(
    cursor: Cursor, captured: Iterable[Table], searched: Collection[Table] | None = None,
    key_alone: bool = False, unfit: str = "key too long landed",
) -> None:  # fmt: skip
    """Give the bronze of each of these tables the indexes that it lacks, or its key alone.

    A snapshot's rows come first: an index of rows that are there takes a third of the time. That by
    the key, a fifth of bronze's bytes, is for those that are `searched`; for all, if not said.
    Raises MedallionError, `unfit`, where a row that is there has a key that no index holds.
    """
    for table, has_key, has_others, has_lookup in _unindexed(cursor, captured):
        is_searched = table.key and (searched is None or table in searched)
        names = table.names_at_source(table.key[-1]) if is_searched else ()
        lookups = [LOOKUP.format(table.bronze, sql.Literal(name)) for name in names]
        with fitting(table, unfit):
            if not has_key:
                cursor.execute(sqlfile.compose("bronze/key", table=table.bronze))
            if not (key_alone or has_others):
                cursor.execute(sqlfile.compose("bronze/indexes", table=table.bronze))
            if lookups and not (key_alone or has_lookup):
                made = sqlfile.each(lookups, between=" ")
                cursor.execute(sqlfile.compose("bronze/lookup", lookups=made))


@contextmanager
def indexing(
    warehouse: Connection, captured: Iterable[Table], searched: Collection[Table]
) -> Iterator[None]:
    """Meanwhile, make the indexes that these tables lack, on another connection."""
    with server.beside(warehouse) as cursor, ThreadPoolExecutor(1) as beside:
        made = beside.submit(index_missing, cursor, captured, searched, unfit="key too long")
        try:
            yield
            made.result()
        except BaseException:
            while not made.done():  # between two statements nothing is cancelled
                cursor.connection.cancel()
                wait([made], 0.1)
            raise
        cursor.connection.commit()


@contextmanager
def fitting(table: Table, unfit: str = "key too long") -> Iterator[None]:
    """Refuse a row that jsonb does not hold, or whose key no index does: 2,704 bytes."""
    try:
        yield
    except errors.ProgramLimitExceeded as problem:
        reason = problem.diag.message_primary
        about = unfit if reason.startswith("index row") else "row too large"
        raise refusal(about, table=table.shown, reason=reason) from None
