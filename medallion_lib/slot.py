"""The source's side of capture: publication, replication slot, and the checks before reading."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.tables import CAPTURED

PUBLICATION = "medallion"


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


class Source(NamedTuple):
    """A source and its slot. Without a slot, the last four are None."""

    system: int  # the server's system identifier
    name: str  # the database
    is_published: bool
    confirmed: int | None
    is_invalid: bool | None
    state: str | None
    lag: int | None  # bytes of WAL to hand over; other databases' WAL counts too


def look(cursor: Cursor, slot: str) -> Source:
    """Source: pg_replication_slots (PostgreSQL 18, 53.20)."""
    cursor.execute(sqlfile.read("slot"), {"slot": slot, "publication": PUBLICATION})
    return Source(*cursor.fetchone())


def create_publication(cursor: Cursor) -> None:
    """Publish the captured tables, a partitioned one under its own name."""
    create = sql.SQL("""CREATE PUBLICATION {} FOR TABLE {}
        WITH (publish_via_partition_root, publish_generated_columns = stored)""")
    tables = sql.SQL(", ").join(table.source for table in CAPTURED)
    cursor.execute(create.format(sql.Identifier(PUBLICATION), tables))


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


def check(cursor: Cursor, slot: str, watermark: int, made_from: tuple[int, str]) -> None:
    """Raise MedallionError unless the slot continues exactly where bronze ends."""
    source = look(cursor, slot)
    facts = {"slot": slot, "position": f"{watermark >> 32:X}/{watermark & 0xFFFFFFFF:X}"}
    if (source.system, source.name) != made_from:
        raise refusal("another source", found=source.name, made_from=made_from[1])
    if not source.is_published:
        raise refusal("no publication", publication=PUBLICATION)
    if source.confirmed is None:
        raise refusal("no slot", **facts)
    if source.is_invalid:
        raise refusal("slot invalid", reason=source.state, **facts)
    if source.confirmed > watermark:
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
