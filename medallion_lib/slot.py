"""The source's side of capture: publication, replication slot, and the checks before reading."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server
from medallion_lib.errors import MedallionError
from medallion_lib.tables import CAPTURED

PUBLICATION = "medallion"
RESNAPSHOT = "    python -m medallion_lib capture --resnapshot"

# How values print. The same for snapshot and stream, or their rows would differ.
PINNED = (
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC "
    "-c extra_float_digits=1 -c bytea_output=hex"
)


def connect(source: URL) -> Connection:
    """An ordinary connection to the source, in autocommit, that prints values as the stream does."""
    connection = server.connect(source, options=PINNED)
    connection.autocommit = True
    return connection


def connect_replication(source: URL) -> LogicalReplicationConnection:
    """A connection that speaks the replication protocol.

    wal_sender_timeout is off because psycopg2 answers a keepalive that asks for a reply with the
    position it has received, which would confirm WAL that has not landed.
    """
    return server.connect(
        source,
        connection_factory=LogicalReplicationConnection,
        options=f"{PINNED} -c wal_sender_timeout=0 -c lock_timeout=30s",
    )


def create_publication(cursor: Cursor) -> None:
    """Publish the captured tables, a partitioned one under its own name."""
    cursor.execute(
        sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root)").format(
            sql.Identifier(PUBLICATION), sql.SQL(", ").join(table.source for table in CAPTURED)
        )
    )


def publication_exists(cursor: Cursor) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = %s)", (PUBLICATION,))
    return cursor.fetchone()[0]


def create(cursor: Cursor, slot: str) -> int:
    """Make the slot, without a snapshot; the position from which it has every commit."""
    with patiently(slot):
        cursor.execute("SET lock_timeout = '30s'")
        cursor.execute(
            "SELECT lsn - '0/0' FROM pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,)
        )
        return int(cursor.fetchone()[0])


def create_with_snapshot(stream: ReplicationCursor, slot: str) -> tuple[int, str]:
    """Make the slot; its first position, and the name of a snapshot of everything before it.

    The snapshot lives until the connection is used again.
    """
    with patiently(slot):
        stream.create_replication_slot(slot, output_plugin="pgoutput")
        _, position, snapshot, _ = stream.fetchone()
        high, low = position.split("/")
        return int(high, 16) << 32 | int(low, 16), snapshot


@contextmanager
def patiently(slot: str) -> Iterator[None]:
    """Say what to do when a slot can't be made."""
    try:
        yield
    except errors.LockNotAvailable:
        raise MedallionError(
            f'The slot "{slot}" was not made within 30 s: it waits for every transaction that was '
            "writing.\nSee which one is open, end it, and try again:\n"
            "    SELECT pid, datname, xact_start, query FROM pg_stat_activity\n"
            "    WHERE backend_xid IS NOT NULL ORDER BY xact_start;"
        ) from None
    except errors.ConfigurationLimitExceeded as problem:
        raise MedallionError(
            f"The server has no room for a slot: {problem.diag.message_primary}.\n"
            "As a superuser:\n"
            "    ALTER SYSTEM SET max_replication_slots = 40;  -- then restart the server"
        ) from None


def drop(cursor: Cursor, slot: str) -> None:
    """Drop the slot if it is there, ending whoever reads it."""
    cursor.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
        "WHERE slot_name = %s AND active", (slot,),
    )
    cursor.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
        (slot,),
    )


def identity(cursor: Cursor) -> tuple[int, str]:
    """Which source this is: the server's system identifier and the database's name."""
    cursor.execute("SELECT system_identifier, current_database() FROM pg_control_system()")
    return cursor.fetchone()


def lag(cursor: Cursor, slot: str) -> int | None:
    """Bytes of WAL the slot has yet to hand over, or None when there is no such slot.

    Counts to the server's flush position, so WAL of other databases counts too.
    Source: pg_replication_slots.confirmed_flush_lsn (PostgreSQL 18, 53.20).
    """
    cursor.execute(
        "SELECT greatest(pg_current_wal_flush_lsn() - confirmed_flush_lsn, 0)::bigint "
        "FROM pg_replication_slots WHERE slot_name = %s", (slot,),
    )
    row = cursor.fetchone()
    return row[0] if row else None


def check(cursor: Cursor, slot: str, watermark: int, made_from: tuple[int, str]) -> None:
    """Raise MedallionError unless the slot continues exactly where bronze ends."""
    if identity(cursor) != made_from:
        raise MedallionError(
            f'This source ({identity(cursor)[1]}) is not the one that bronze was captured from '
            f"({made_from[1]}).\nTo take it over with a new snapshot:\n{RESNAPSHOT}"
        )
    if not publication_exists(cursor):
        raise MedallionError(
            f'No publication "{PUBLICATION}" in this source, so its slot has nothing to send.\n'
            "Changes made since it was dropped can't be recovered from WAL. To make it again, take\n"
            f"a new snapshot and mark the gap in history:\n{RESNAPSHOT}"
        )
    cursor.execute(
        "SELECT confirmed_flush_lsn - '0/0', wal_status, invalidation_reason "
        "FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()", (slot,),
    )
    row = cursor.fetchone()
    position = f"{watermark >> 32:X}/{watermark & 0xFFFFFFFF:X}"
    lost = (
        "Changes made since then can't be recovered from WAL. To take a new snapshot and mark the "
        f"gap in history:\n{RESNAPSHOT}"
    )
    if row is None:
        raise MedallionError(
            f'No replication slot "{slot}" on this server; its WAL position was {position}.\n{lost}'
        )
    confirmed, wal_status, invalidated = row
    if wal_status == "lost" or invalidated:
        raise MedallionError(
            f'The replication slot "{slot}" is invalid ({invalidated or wal_status}); '
            f"its WAL position was {position}.\n{lost}"
        )
    if confirmed > watermark:
        raise MedallionError(
            f'The replication slot "{slot}" was made anew or moved on behind our back: bronze ends '
            f"at {position}.\n{lost}"
        )


def start(source: URL, slot: str, watermark: int) -> ReplicationCursor:
    """Stream from the watermark. A slot still held by a connection just lost is waited for."""
    for attempt in range(50):
        cursor = connect_replication(source).cursor()
        try:
            cursor.start_replication(
                slot_name=slot, decode=False, start_lsn=watermark, status_interval=86_400,
                options={"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"},
            )
            return cursor
        except errors.ObjectInUse as problem:
            cursor.connection.close()
            if attempt == 49:
                raise MedallionError(
                    f'The replication slot "{slot}" is in use: {problem.diag.message_primary}.\n'
                    "Another program captures from it. Stop that one, then\n"
                    "    python -m medallion_lib capture"
                ) from None
            time.sleep(0.1)
    raise AssertionError("unreachable")
