"""The source's side of capture: publication, replication slot, and the checks before reading."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal, refusing
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Table, Tables, described

PUBLICATION = "medallion"
QUOTED = re.compile(r'"(?:[^"]|"")+"')
OLDEST = 14  # version of PostgreSQL whose log has messages
STORED = "\n    WITH (publish_generated_columns = stored)"  # an option that PostgreSQL 18 brought


class Lack(NamedTuple):
    """What a source lacks: a sentence, and the statements that mend it, where some do."""

    sentence: str
    statements: str | None = None
    table: int | None = None  # that it is about, by its oid, or its root's

    def __str__(self) -> str:
        return "\n    ".join([self.sentence, *to_paste(self.statements or "")])


def to_paste(statements: str) -> list[str]:
    """The lines of statements to paste: none ends, and nothing moves a cursor, within a name."""
    return QUOTED.sub(_printable, statements).splitlines()


def _printable(name: re.Match[str]) -> str:
    if name[0].isprintable():
        return name[0]
    text = name[0].replace("\\", "\\\\")
    return "U&" + "".join(c if c.isprintable() else f"\\+{ord(c):06X}" for c in text)


class Publication(NamedTuple):
    """One of the source's: a row of publication.sql."""

    name: str
    version: str  # what it is told by from one made or altered later
    mark: str | None  # its comment
    is_fit: bool  # whether it sends all that is captured, and nothing else
    others: str  # what else
    is_owned: bool  # by this role
    members: list[str | None]  # what each table's membership is told by, in the tables' order
    is_as_told: bool  # whether that is known of each that is told by it
    known: dict[str, str]  # the same of each, by names as of `catalog.names`
    gone: list[tuple[int, str]] | None  # which of the tables were dropped, from 1, and their own

    def is_of(self, before: Watermark | None, mark: str | None) -> bool:
        """Whether it is the warehouse's: marked as such, or the one that it has read until now."""
        return mark in (None, self.mark) or bool(before and self.version == before.publication)


@contextmanager
def replicating(source: URL) -> Iterator[ReplicationCursor]:
    """A cursor that speaks the replication protocol, on a connection of its own.

    wal_sender_timeout is off because psycopg2 answers a keepalive that asks for a reply with the
    position it has received, which would confirm WAL that has not landed. The empty search_path
    makes names in values, such as a regclass, print in full. A pooler refuses such a connection:
    a MedallionError.
    """
    factory = LogicalReplicationConnection
    connection = server.connect(source, "no reading of the log", connection_factory=factory)
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute("SET wal_sender_timeout = 0")
        cursor.execute("SET search_path = ''")
        yield cursor


def lacking(cursor: Cursor, captured: Sequence[Table], slot: str = "") -> list[Lack]:
    """All that a source lacks to be captured by this slot; of one that is too old, that alone."""
    if cursor.connection.server_version < OLDEST * 10_000:
        version = cursor.connection.get_parameter_status("server_version")
        needed = f"{OLDEST} or newer is needed. Upgrade it, or name another."
        return [Lack(f"It is PostgreSQL {version}; {needed}")]
    with suppress(errors.InsufficientPrivilege):  # which is among what is lacking
        captured = [Catalog(cursor, ()).as_it_is(table) for table in captured]  # by new names
    facts = {"captured": described(captured), "slot": slot}
    cursor.execute(sqlfile.read("source/preflight"), facts)
    return [Lack(*row) for row in cursor]


def preflight(cursor: Cursor, source: URL, captured: Sequence[Table], slot: str = "") -> None:
    """Raise MedallionError, naming all that is missing and its remedy, if it can't be captured."""
    if wrong := "\n".join(dict.fromkeys(map(str, lacking(cursor, captured, slot)))):
        raise refusal("source unfit", url=source, wrong=wrong)


def check_reading(source: URL) -> None:
    """Raise MedallionError where no connection reads the log, as of a pooler."""
    with replicating(source):
        pass


def named(slot: str, tables: Tables) -> str:
    """The publication's name: at a source of the user's own, the lab's, for others may be there."""
    return slot if tables.source or server.own_source() else PUBLICATION


def marked(at_server: Cursor, warehouse: str) -> str:
    """What the comment of a publication says that is made for this database of this server."""
    system, _ = sqlfile.run(at_server, "source/identity").fetchone()
    return f"For the warehouse {warehouse} of server {system}, by medallion_lib."


def publications(
    cursor: Cursor, captured: Sequence[Table], names: Mapping[str, str] | None = None
) -> list[Publication]:
    facts = {"captured": described(captured), "names": json.dumps(names or {})}
    cursor.execute(sqlfile.read("source/publication"), facts)
    return [Publication(*row) for row in cursor]


def publication(cursor: Cursor, name: str, captured: Sequence[Table]) -> Publication | None:
    return next((each for each in publications(cursor, captured) if each.name == name), None)


def publishing(cursor: Cursor, name: str, captured: Sequence[Table], mark: str | None) -> str:
    """What makes the publication. Of partitions under their root, a TRUNCATE of one is not sent."""
    parts = {"publication": sql.Identifier(name), "mark": sql.Literal(mark)}
    parts["tables"] = sqlfile.each(table.source for table in captured)
    parts["options"] = sql.SQL(STORED if cursor.connection.server_version >= 180_000 else "")
    return sqlfile.compose("source/publish", **parts).as_string(cursor).strip()


def _publish(
    cursor: Cursor, name: str, captured: Sequence[Table], before: Watermark | None, mark: str | None
) -> str:
    """Make the publication, unless it is there as it should be, for example in a clone.

    Raises MedallionError where there is another's, which is only read if it is fit and unmarked.
    """
    if found := publication(cursor, name, captured):
        is_ours = found.is_of(before, mark)
        if found.is_fit and (is_ours or found.mark is None):
            return found.version
        if not is_ours:
            raise refusal("publication not ours", publication=name, mark=mark)
    statements = publishing(cursor, name, captured, mark)
    try:
        cursor.execute(statements)
    except errors.InsufficientPrivilege as problem:
        reason = problem.diag.message_primary
        shown = "\n".join(f"    {line}" for line in to_paste(statements))
        raise refusal("publication not made", reason=reason, statements=shown) from None
    return publication(cursor, name, captured).version


@contextmanager
def made(
    source: URL, slot: str, tables: Tables, before: Watermark | None, business_time: bool,
    mark: str | None = None,
) -> Iterator[tuple[Watermark, str]]:  # fmt: skip
    """Make the slot, and the publication of these tables if it is missing or not as it should be.

    Gives the watermark that begins there and, for as long as the block lasts, the name of a
    snapshot of everything before it. A slot that is sound stays, whatever becomes of the block: it
    reads from any later position as a new one would. At a source of the user's own, `mark` says
    whose they are: raises MedallionError where what has their names is another's.
    """
    with server.session(source, autocommit=True) as cursor:
        preflight(cursor, source, tables.captured, slot)
        _check_free(cursor, slot, before, mark)
        with replicating(source) as stream:  # or it refuses, before anything is made
            published = _publish(cursor, named(slot, tables), tables.captured, before, mark)
            if not (is_sound := _freed(cursor, slot)):
                drop(cursor, slot)
            system, name = sqlfile.run(cursor, "source/identity").fetchone()
            catalog = Catalog(cursor, tables.captured, before and before.names)
            names = catalog.names() | catalog.names_excluded()
            lsn, snapshot = create(stream, *([f"{slot}_new", "TEMPORARY"] if is_sound else [slot]))
            last = before and before.commit_ts
            ahead = max(0, before.lsn + 1 - lsn) if before else 0  # what lands now lands after that
            facts = (slot, system, name, published, business_time, ahead, names, tables)
            yield Watermark(lsn + ahead, last, *facts, is_kept=False), snapshot


def create(stream: ReplicationCursor, slot: str, lasting: str = "") -> tuple[int, str]:
    """Make a slot; its first position, and the name of a snapshot of everything before it.

    The snapshot, and a slot that is TEMPORARY, live until the connection is used again or ends.
    """
    create = sql.SQL(f"CREATE_REPLICATION_SLOT {{}} {lasting} LOGICAL pgoutput EXPORT_SNAPSHOT")
    full = "no room for a slot", errors.ConfigurationLimitExceeded
    for _ in range(5):  # its snapshot has what was undone meanwhile, and may be too large for it
        with suppress(errors.SerializationFailure), refusing(*full):
            with refusing("slot not made", errors.LockNotAvailable, slot=slot):
                server.interruptibly(stream, create.format(sql.Identifier(slot)))
            _, position, snapshot, _ = stream.fetchone()
            high, low = position.split("/")
            return int(high, 16) << 32 | int(low, 16), snapshot
    raise refusal("snapshot too large", slot=slot)


def drop(
    cursor: Cursor, slot: str, before: Watermark | None = None, mark: str | None = None
) -> bool:
    """Drop this database's slot if it is there, ending whoever reads it; whether it was.

    With a `mark`, only one that is the warehouse's: it has read from it, or marked a publication
    of that name before it made the slot. Raises MedallionError where this role may not end whoever
    reads it, or that does not end.
    """
    if not _is_ours(cursor, slot, before, mark) or _freed(cursor, slot) is None:
        return False
    with refusing("slot in use", errors.ObjectInUse, slot=slot):
        cursor.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    return True


def _freed(cursor: Cursor, slot: str) -> bool | None:
    """Whether this database's slot, whose reader is ended, can go on; None where there is none."""
    with refusing("slot in use", errors.InsufficientPrivilege, slot=slot):
        found = sqlfile.run(cursor, "source/slot_free", {"slot": slot}).fetchone()
    return found and found[0]


def _check_free(cursor: Cursor, slot: str, before: Watermark | None, mark: str | None) -> None:
    """Raise MedallionError where there is a slot of this name that is not ours to drop."""
    here = "SELECT database = current_database() FROM pg_replication_slots WHERE slot_name = %s"
    cursor.execute(here, (slot,))
    found = cursor.fetchone()
    if found and not (found[0] and _is_ours(cursor, slot, before, mark)):
        raise refusal("slot of another", slot=slot)


def _is_ours(cursor: Cursor, slot: str, before: Watermark | None, mark: str | None) -> bool:
    if mark is None:
        return True
    here = (slot, *sqlfile.run(cursor, "source/identity").fetchone())
    read = before and (before.slot, before.source_system, before.source_name)
    found = publication(cursor, slot, ())
    return read == here or bool(found and found.mark == mark)


def unpublish(cursor: Cursor, before: Watermark | None, mark: str) -> bool:
    """Drop the warehouse's publication where this role made it; whether it did."""
    ours = [sql.Identifier(each.name) for each in publications(cursor, ())
            if each.is_owned and each.is_of(before, mark)]  # fmt: skip
    for name in ours:
        cursor.execute(sql.SQL("DROP PUBLICATION {}").format(name))
    return bool(ours)


def settle(cursor: Cursor, watermark: Watermark, closed: bool) -> None:
    """Wait until the server has heard that the watermark is confirmed, then that we have closed.

    A connection that is closed at once may take the confirmation along, and the slot would keep
    log that nobody needs until the next capture. After a second it is left at that.
    """
    give_up, facts = time.monotonic() + 1, {"slot": watermark.slot, "lsn": watermark.at_source}
    while time.monotonic() < give_up:
        found = sqlfile.run(cursor, "source/slot_settled", facts).fetchone()
        if found is None or found[closed]:
            return
        time.sleep(0.002)


def start(
    stream: ReplicationCursor, slot: str, watermark: int, publication: str = PUBLICATION
) -> None:
    """Stream from the watermark. A slot still held by a connection just lost is waited for."""
    give_up = time.monotonic() + 5
    options = {"proto_version": "1", "publication_names": publication, "messages": "true"}
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
