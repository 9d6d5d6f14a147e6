"""Bronze to silver: one generated, set-based statement per table, all to one common position."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.silver import first
from medallion_lib.silver.evolution import follow
from medallion_lib.silver.shape import Shape
from medallion_lib.steps import step
from medallion_lib.tables import Table, Tables

# Its positions, since and upto; a whole one's also its time, and what `merge` is given at_source.
Batch = dict[str, Any]
MANY = 1_000  # events, from which on they are not counted
STATEMENT = lru_cache(512)(Shape.statement)  # who follows the source sends the same again
UNFIT = psycopg2.DataError, errors.NotNullViolation, errors.CheckViolation


class Merged(NamedTuple):
    """What one merge did to one silver table. Counts are rows."""

    table: str
    events: int  # bronze rows read
    inserted: int  # keys that are new, or back
    updated: int  # current rows that became the newest version
    closed: int  # current rows ended by a delete
    history: int  # versions written that are already over


def merge(
    warehouse: Connection, upto: int | None = None, at_source: Cursor | None = None
) -> list[Merged]:  # fmt: skip
    """Bring all silver tables to one position: all that commits before the LSN `upto` and landed.

    One transaction; merging again, or in other batches, gives the same rows. For what a snapshot
    has just landed, `at_source` sees the source as the snapshot did.
    Raises MedallionError when another merge is running, a reader blocks a new month, or the
    source's columns no longer fit silver's.
    """
    with _keeping_months(warehouse):
        return _merge(warehouse, upto, at_source)


@contextmanager
def _keeping_months(warehouse: Connection) -> Iterator[None]:
    """From where months are given partitions until they are filled, nobody drops an empty one."""
    lock = "SELECT pg_{}_shared(hashtext('medallion.months'))"
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute(lock.format("advisory_lock"))
    try:
        yield
    finally:
        if not warehouse.closed:
            with warehouse, warehouse.cursor() as cursor:
                cursor.execute(lock.format("advisory_unlock"))


def _merge(warehouse: Connection, upto: int | None, at_source: Cursor | None) -> list[Merged]:
    with warehouse, warehouse.cursor() as cursor:
        batch = _batch(cursor, upto)
        whole = _whole(cursor)
        come = {table.source.strings: table.adding for table in whole}
        for table in _changed(cursor, whole, batch):
            attach_months(cursor, table, _batch_of(table, batch))
    with warehouse, warehouse.cursor() as cursor:
        batch = _batch(cursor, batch["upto"]) | {"at_source": at_source}
        # What is whole since then has no months yet, and waits for the next merge.
        whole = [table for table in _whole(cursor)
                 if not table.adding or table.adding == come.get(table.source.strings)]  # fmt: skip
        changed = _changed(cursor, whole, batch)
        for table in whole:  # of a column that came with a default and went, no event may tell
            follow(cursor, table)
        done = [merge_table(cursor, table, _batch_of(table, batch), changed.get(table, 0))
                for table in whole]  # fmt: skip
        _go_on(cursor, [table for table in whole if table.adding], batch["upto"])
        _write_watermark(cursor, batch)
        step("merge watermark written")
    step("merge committed")
    return done


def note_refusal(warehouse: Connection, told: str) -> None:
    """Let the warehouse know why a merge was refused, until one is done: `status` tells it."""
    with warehouse, warehouse.cursor() as cursor:
        noting = "UPDATE meta.watermark SET refused = %s WHERE stage = 'capture'"
        cursor.execute(noting, (told,))


def merge_table(cursor: Cursor, table: Table, batch: Batch, events: int | None = None) -> Merged:
    """One table's part of a merge, of so many events, where those were counted."""
    if events == 0:
        step(f"merged {table.history}")
        return Merged(table.shown_history, 0, 0, 0, 0, 0)
    shape = Shape.read(cursor, table)
    cursor.execute("SAVEPOINT before")
    if not events and (done := first.begun(cursor, shape, batch)):
        step(f"merged {table.history}")
        return Merged(table.shown_history, *done, 0, 0, 0)
    try:
        cursor.execute(STATEMENT(shape, bool(events)), batch | {"events": events})
    except UNFIT as problem:
        cursor.execute("ROLLBACK TO before")
        shape.check(cursor, batch)
        raise shape.unfit(problem.diag.message_primary) from problem
    except errors.ProgramLimitExceeded as problem:
        reason = problem.diag.message_primary
        raise refusal("row too wide", table=table.shown_history, reason=reason) from problem
    *counts, unfit = cursor.fetchone()
    if events and counts[0] != events:  # of more, only some were read
        cursor.execute("ROLLBACK TO before")
        return merge_table(cursor, table, batch)
    if unfit:
        shape.check(cursor, batch)
    step(f"merged {table.history}")
    return Merged(table.shown_history, *counts)


def _batch(cursor: Cursor, upto: int | None) -> Batch:
    """The positions to merge since, and up to, and the time there, where capture stands there too.

    Takes the lock that keeps a second merge out.
    """
    server.only_one(cursor, "merge")
    cursor.execute("SELECT stage, lsn, commit_ts FROM meta.watermark")
    reached = {"merge": (0, None), "capture": (0, None)}
    reached |= {stage: (lsn, at) for stage, lsn, at in cursor}
    (since, _), (landed, at) = reached["merge"], reached["capture"]
    upto = max(since, landed if upto is None else min(upto, landed))
    return {"since": since, "upto": upto, "at": at if upto == landed else None}


def _changed(cursor: Cursor, tables: Sequence[Table], batch: Batch) -> dict[Table, int | None]:
    """The tables that have events in their batch, and how many; None where they are many."""
    each = [
        sqlfile.compose("silver/changed", bronze=table.bronze, place=sql.Literal(place),
                        since=sql.Literal(_batch_of(table, batch)["since"]))
        for place, table in enumerate(tables)
    ]  # fmt: skip
    if each:
        cursor.execute(sql.SQL(" UNION ALL ").join(each), batch | {"many": MANY})
    return {tables[place]: count if count < MANY else None for place, count in each and cursor}


def _whole(cursor: Cursor) -> list[Table]:
    """The tables whose history is there, but for those that bronze has not the whole of yet."""
    return [table for table in Tables.read(cursor).made(cursor) if not table.is_pending]


def _batch_of(table: Table, batch: Batch) -> Batch:
    """A table's own batch: one that was added begins where its rows do, below the others'."""
    return batch | {"since": table.adding.merged} if table.adding else batch


def _go_on(cursor: Cursor, added: Sequence[Table], upto: int) -> None:
    """Let tables that were added go on from where this merge ends, like all others."""
    if added:
        on = [replace(table, adding=None if upto > table.adding.snapshot
                      else table.adding._replace(merged=upto)) for table in added]  # fmt: skip
        Tables.change(cursor, lambda tables: tables.put(*on))


def _write_watermark(cursor: Cursor, batch: Batch) -> None:
    last = "SELECT commit_ts FROM {} WHERE lsn < %(upto)s ORDER BY lsn DESC, seq DESC LIMIT 1"
    bronze = () if batch["at"] else (table.bronze for table in Tables.read(cursor).captured)
    latest = sqlfile.each(bronze, f" UNION ALL ({last})", between="")
    cursor.execute(sqlfile.compose("silver/merge_watermark", latest=latest), batch)


def attach_months(cursor: Cursor, table: Table, batch: Batch) -> None:
    """Give the months of a batch partitions, where a history is by month."""
    if table.by_month:
        fact, bronze = table.silver.as_string(cursor), table.bronze.as_string(cursor)
        dated = list(table.in_bronze(table.by_month))
        call = "CALL meta.attach_months(%s, %s, %s, %s, %s)"
        cursor.execute(call, (fact, bronze, dated, batch["since"], batch["upto"]))
