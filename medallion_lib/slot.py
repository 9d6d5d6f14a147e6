"""The source's side of capture: publication, replication slot, and the checks before reading."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import CAPTURED

PUBLICATION = "medallion"


def connect(source: URL) -> Connection:
    """An ordinary connection to the source, in autocommit."""
    connection = server.connect(source)
    connection.autocommit = True
    return connection


@contextmanager
def replicating(source: URL) -> Iterator[ReplicationCursor]:
    """A cursor that speaks the replication protocol, on a connection of its own.

    wal_sender_timeout is off because psycopg2 answers a keepalive that asks for a reply with the
    position it has received, which would confirm WAL that has not landed.
    """
    with closing(
        server.connect(source, connection_factory=LogicalReplicationConnection)
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SET wal_sender_timeout = 0")
        yield cursor


def create_publication(cursor: Cursor) -> None:
    """Publish the captured tables, if that isn't done; a partitioned one under its own name."""
    if not publication_exists(cursor):
        create = "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root)"
        tables = sql.SQL(", ").join(table.source for table in CAPTURED)
        cursor.execute(sql.SQL(create).format(sql.Identifier(PUBLICATION), tables))


def publication_exists(cursor: Cursor) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = %s)", (PUBLICATION,))
    return cursor.fetchone()[0]


def create(stream: ReplicationCursor, slot: str) -> tuple[int, str]:
    """Make the slot; its first position, and the name of a snapshot of everything before it.

    The snapshot lives until the connection is used again.
    """
    try:
        stream.create_replication_slot(slot, output_plugin="pgoutput")
    except errors.LockNotAvailable:
        raise refusal("slot not made", slot=slot) from None
    except errors.ConfigurationLimitExceeded as problem:
        raise refusal("no room for a slot", reason=problem.diag.message_primary) from None
    _, position, snapshot, _ = stream.fetchone()
    high, low = position.split("/")
    return int(high, 16) << 32 | int(low, 16), snapshot


def drop(cursor: Cursor, slot: str) -> None:
    """Drop the slot if it is there, ending whoever reads it."""
    cursor.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
        "WHERE slot_name = %s AND active", (slot,)
    )  # fmt: skip
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
    cursor.execute(sqlfile.read("slot_position"), (slot,))
    row = cursor.fetchone()
    return row and row[2]


def peek(cursor: Cursor, slot: str) -> list[tuple[str, bytes]]:
    """The messages that wait in the slot, each with its LSN, without taking them out."""
    cursor.execute(
        "SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, "
        "'proto_version', '1', 'publication_names', %s, 'messages', 'true')", (slot, PUBLICATION)
    )  # fmt: skip
    return [(lsn, bytes(data)) for lsn, data in cursor]


def check(cursor: Cursor, slot: str, watermark: int, made_from: tuple[int, str]) -> None:
    """Raise MedallionError unless the slot continues exactly where bronze ends."""
    if (found := identity(cursor)) != made_from:
        raise refusal("another source", found=found[1], made_from=made_from[1])
    if not publication_exists(cursor):
        raise refusal("no publication", publication=PUBLICATION)
    facts = {"slot": slot, "position": shown(watermark)}
    cursor.execute(sqlfile.read("slot_position"), (slot,))
    if not (row := cursor.fetchone()):
        raise refusal("no slot", **facts)
    confirmed, trouble, _ = row
    if trouble not in (None, "extended", "unreserved"):
        raise refusal("slot invalid", reason=trouble, **facts)
    if confirmed > watermark:
        raise refusal("slot not ours", **facts)


def start(stream: ReplicationCursor, slot: str, watermark: int) -> None:
    """Stream from the watermark. A slot still held by a connection just lost is waited for."""
    give_up = time.monotonic() + 5
    options = {"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"}
    while True:
        try:
            return stream.start_replication(
                slot, decode=False, start_lsn=watermark, status_interval=86_400, options=options
            )
        except errors.ObjectInUse as problem:
            if time.monotonic() > give_up:
                reason = problem.diag.message_primary
                raise refusal("slot in use", slot=slot, reason=reason) from None
            time.sleep(0.1)


def shown(position: int) -> str:
    """An LSN as PostgreSQL prints it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
