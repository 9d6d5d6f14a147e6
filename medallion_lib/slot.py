"""The source's side of capture: publication, replication slot, and the checks before reading."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.landing import Watermark
from medallion_lib.tables import CAPTURED

PUBLICATION = "medallion"


@contextmanager
def replicating(source: URL) -> Iterator[ReplicationCursor]:
    """A cursor that speaks the replication protocol, on a connection of its own.

    wal_sender_timeout is off because psycopg2 answers a keepalive that asks for a reply with the
    position it has received, which would confirm WAL that has not landed.
    """
    connection = server.connect(source, connection_factory=LogicalReplicationConnection)
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute("SET wal_sender_timeout = 0")
        yield cursor


def _publish(cursor: Cursor) -> None:
    """Publish the captured tables, a partitioned one under its own name."""
    create = sql.SQL("""CREATE PUBLICATION {} FOR TABLE {}
        WITH (publish_via_partition_root, publish_generated_columns = stored)""")
    tables = sqlfile.each(table.source for table in CAPTURED)
    cursor.execute(create.format(sql.Identifier(PUBLICATION), tables))


@contextmanager
def made(
    source: URL, slot: str, before: Watermark | None, business_time: bool
) -> Iterator[tuple[Watermark, str]]:
    """Make the slot anew, and the publication if it is missing.

    Gives the watermark that begins there and, for as long as the block lasts, the name of a
    snapshot of everything before it.
    """
    with server.session(source, autocommit=True) as cursor:
        drop(cursor, slot)
        cursor.execute(sqlfile.read("source_identity"), {"publication": PUBLICATION})
        system, name, is_published = cursor.fetchone()
        if not is_published:  # a cloned source comes with it
            _publish(cursor)
    with replicating(source) as stream:
        lsn, snapshot = _create(stream, slot)
        last = before and before.commit_ts
        yield Watermark(lsn, last, slot, system, name, business_time), snapshot


def _create(stream: ReplicationCursor, slot: str) -> tuple[int, str]:
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
    cursor.execute(sqlfile.read("slot_drop"), {"slot": slot})


def check(cursor: Cursor, watermark: Watermark) -> None:
    """Raise MedallionError unless the slot continues exactly where bronze ends."""
    facts = vars(watermark) | {"publication": PUBLICATION}
    cursor.execute(sqlfile.read("slot_check"), facts)
    problem, found, reason, position = cursor.fetchone()
    if problem:
        raise refusal(problem, **facts, found=found, reason=reason, position=position)


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
