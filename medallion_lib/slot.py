"""The source's side of capture: publication, replication slot, and the checks before reading."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import catalog, server, sqlfile, tables
from medallion_lib.errors import refusal
from medallion_lib.landing import Watermark

PUBLICATION = "medallion"


@contextmanager
def replicating(source: URL) -> Iterator[ReplicationCursor]:
    """A cursor that speaks the replication protocol, on a connection of its own.

    wal_sender_timeout is off because psycopg2 answers a keepalive that asks for a reply with the
    position it has received, which would confirm WAL that has not landed. The empty search_path
    makes names in values, such as a regclass, print in full.
    """
    connection = server.connect(source, connection_factory=LogicalReplicationConnection)
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute("SET wal_sender_timeout = 0")
        cursor.execute("SET search_path = ''")
        yield cursor


def preflight(cursor: Cursor, source: URL) -> None:
    """Raise MedallionError, naming all that is missing and its remedy, if it can't be captured."""
    cursor.execute(sqlfile.read("source_preflight"), {"captured": catalog.described()})
    if wrong := "\n".join(text for (text,) in cursor):
        shown = source.render_as_string(hide_password=True)
        raise refusal("source unfit", url=shown, wrong=wrong)


def _publication(cursor: Cursor) -> str | None:
    """What identifies the publication as it is; None unless it sends all that is captured."""
    of = {"publication": PUBLICATION, "captured": catalog.described()}
    cursor.execute(sqlfile.read("publication"), of)
    found = cursor.fetchone()
    return found and found[0]


def _publish(cursor: Cursor) -> str:
    """Make the publication, unless it is there as it should be, for example in a clone."""
    if found := _publication(cursor):
        return found
    name, captured = sql.Identifier(PUBLICATION), sqlfile.each(t.source for t in tables.CAPTURED)
    statements = sqlfile.compose("publish", publication=name, tables=captured)
    try:
        cursor.execute(statements)
    except errors.InsufficientPrivilege as problem:
        reason, text = problem.diag.message_primary, statements.as_string(cursor)
        shown = "\n".join(f"    {line}" for line in text.split("\n") if not line.startswith("-- "))
        raise refusal("publication not made", reason=reason, statements=shown) from None
    return _publication(cursor)


@contextmanager
def made(
    source: URL, slot: str, before: Watermark | None, business_time: bool
) -> Iterator[tuple[Watermark, str]]:
    """Make the slot anew, and the publication if it is missing or not as it should be.

    Gives the watermark that begins there and, for as long as the block lasts, the name of a
    snapshot of everything before it.
    """
    with server.session(source, autocommit=True) as cursor:
        preflight(cursor, source)
        published = _publish(cursor)
        drop(cursor, slot)
        cursor.execute(sqlfile.read("source_identity"))
        system, name = cursor.fetchone()
    with replicating(source) as stream:
        lsn, snapshot = create(stream, slot)
        last = before and before.commit_ts
        ahead = max(0, before.lsn + 1 - lsn) if before else 0  # what lands now lands after that
        begun = Watermark(lsn + ahead, last, slot, system, name, published, business_time, ahead)
        yield begun, snapshot


def create(stream: ReplicationCursor, slot: str, lasting: str = "") -> tuple[int, str]:
    """Make a slot; its first position, and the name of a snapshot of everything before it.

    The snapshot, and a slot that is TEMPORARY, live until the connection is used again or ends.
    """
    create = sql.SQL(f"CREATE_REPLICATION_SLOT {{}} {lasting} LOGICAL pgoutput (SNAPSHOT 'export')")
    try:
        stream.execute(create.format(sql.Identifier(slot)))
    except errors.LockNotAvailable:
        raise refusal("slot not made", slot=slot) from None
    except errors.ConfigurationLimitExceeded as problem:
        raise refusal("no room for a slot", reason=problem.diag.message_primary) from None
    _, position, snapshot, _ = stream.fetchone()
    high, low = position.split("/")
    return int(high, 16) << 32 | int(low, 16), snapshot


def drop(cursor: Cursor, slot: str) -> bool:
    """Drop the slot if it is there, ending whoever reads it; whether it was."""
    cursor.execute(sqlfile.read("slot_drop"), {"slot": slot})
    return cursor.rowcount > 0


def unpublish(cursor: Cursor) -> bool:
    """Drop the publication if this role made it; whether it did."""
    cursor.execute(
        "SELECT FROM pg_publication WHERE pubname = %s AND pubowner = current_user::regrole",
        (PUBLICATION,),
    )
    if is_ours := cursor.rowcount > 0:
        cursor.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(PUBLICATION)))
    return is_ours


def check(cursor: Cursor, watermark: Watermark) -> None:
    """Raise MedallionError unless the slot continues exactly where bronze ends."""
    facts = vars(watermark) | {"publication": PUBLICATION, "lsn": watermark.at_source}
    cursor.execute(sqlfile.read("slot_check"), facts)
    problem, found, reason, position, log_end = cursor.fetchone()
    if not problem and _publication(cursor) != watermark.publication:
        problem = "publication changed"
    if problem:
        facts |= {"found": found, "reason": reason, "position": position, "log_end": log_end}
        raise refusal(problem, **facts)


def settle(cursor: Cursor, watermark: Watermark, closed: bool) -> None:
    """Wait until the server has heard that the watermark is confirmed, then that we have closed.

    A connection that is closed at once may take the confirmation along, and the slot would keep
    log that nobody needs until the next capture. After a second it is left at that.
    """
    give_up = time.monotonic() + 1
    while time.monotonic() < give_up:
        facts = {"slot": watermark.slot, "lsn": watermark.at_source}
        cursor.execute(sqlfile.read("slot_settled"), facts)
        if (found := cursor.fetchone()) is None or found[closed]:
            return
        time.sleep(0.002)


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


def confirm(stream: ReplicationCursor, watermark: int) -> None:
    """Tell the slot what has landed: all but the last byte, after which the same comes next.

    Told of all of the last message that it read, psycopg2 goes on by itself and confirms whatever
    position a keepalive names: past the watermark, as by someone behind our back.
    """
    stream.send_feedback(flush_lsn=watermark - 1, force=True)
