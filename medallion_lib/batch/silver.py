"""Merge bronze of files into silver_batch, by the merge that serves the log."""

from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, server, sqlfile
from medallion_lib.batch.declared import SOURCES, VERSIONED
from medallion_lib.silver.merge import Merged, attach_months, merge_table
from medallion_lib.steps import step


def merge(lab: Medallion) -> list[Merged]:
    """Bring silver_batch to the last extract whose files were all loaded.

    An extract that lacks a file waits for the next complete one. Merging again changes nothing.
    """
    with lab._connected(lab.warehouse_url) as cursor:
        with cursor.connection:
            batch = _batch(cursor)
            for table in VERSIONED:
                attach_months(cursor, table, batch)
        with cursor.connection:
            batch = _batch(cursor)
            done = [merge_table(cursor, table, batch)._replace(table=table.history)
                    for table in VERSIONED]  # fmt: skip
            cursor.execute(sqlfile.read("batch/merged"), batch)
            step("batch merged")
    step("batch merge committed")
    return done


def _batch(cursor: Cursor) -> dict[str, int]:
    """Return the range of extracts to merge, by their numbers. One merge runs at a time."""
    server.only_one(cursor, "batch")
    cursor.execute(sqlfile.read("batch/merge_batch"), (len(SOURCES),))
    since, upto = cursor.fetchone()
    return {"since": since, "upto": max(since, upto)}
