"""The source: build the shop, play the sample year through it, or load Pagila's own data."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.embedded import CHECKOUT
from medallion_lib.errors import MedallionError

DATA = CHECKOUT / "data"
OPENING = datetime(2022, 12, 31, 20, 0, 7, tzinfo=UTC)  # when the opening stock is booked
END = datetime(2024, 1, 1, tzinfo=UTC)

# In an order that foreign keys allow. All of it is one transaction.
OPENING_STOCK = (
    "country", "city", "address", "language", "category", "actor", "film", "film_actor",
    "film_category", "store", "staff", "customer", "inventory",
)  # fmt: skip


def build(source: Connection) -> None:
    """Make the 15 empty tables and the replay's procedures in an empty database."""
    with source, source.cursor() as cursor:
        cursor.execute(sqlfile.read("source"))
        cursor.execute(sqlfile.read("replay"))


def instant(text: str | datetime) -> datetime:
    """An instant as people write it; without a zone it means UTC."""
    try:
        at = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError:
        raise MedallionError(
            f"{text!r} is not an instant. Write one like 2023-07-01 or '2023-07-01 14:30:00+00'."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def replay(
    source: Connection,
    until: str | datetime | None = None,
    scale: int | None = None,
    progress: Callable[[datetime], None] = lambda reached: None,
) -> int:
    """Play the sample year's events before `until`, each a transaction at its business time.

    Returns the number of events played. It goes on from where the last replay stopped.
    Raises MedallionError after a change that was not replayed, or when a data file is not whole.
    """
    upto = min(instant(until), END) if until is not None else END
    with source, source.cursor() as cursor:
        played, scale = _clock(cursor, scale)
    with sample_year(scale) as files:
        source.autocommit = True  # the procedure commits each event itself
        with source.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            if played is None and upto > OPENING:
                _open_shop(cursor, files, scale)
            _read_events(cursor, files / "events.csv")
            before = _played(cursor)
            for month in _months(upto):
                cursor.execute("CALL replay.play(%s)", (month,))
                progress(month)
            cursor.execute("CALL replay.align_sequences()")
            cursor.execute("SET synchronous_commit = on")
            count = _played(cursor) - before
            cursor.execute("DROP TABLE event")
        source.autocommit = False
    return count


def _clock(cursor: Cursor, scale: int | None) -> tuple[datetime | None, int]:
    """Where the replay stands, and the scale it has; refused once somebody else wrote."""
    cursor.execute("SELECT pg_try_advisory_lock(hashtext('medallion.replay'))")
    if not cursor.fetchone()[0]:
        raise MedallionError("Another replay is running on this source. Wait for it to end.")
    cursor.execute("SELECT played, live_since, scale FROM replay.clock")
    played, live_since, begun_at = cursor.fetchone()
    if live_since:
        raise MedallionError(
            f"The source was changed live at {live_since:%Y-%m-%d %H:%M:%S} UTC, so the year's "
            "events of 2023 would come after it.\nThe replay can't go on. To start again:\n"
            "    python -m medallion_lib reset"
        )
    if begun_at and scale and scale != begun_at:
        raise MedallionError(
            f"This replay was begun at scale {begun_at} and can't go on at scale {scale}.\n"
            f"Leave --scale {scale} away, or start again:\n    python -m medallion_lib reset"
        )
    return played, begun_at or scale or 1


def _open_shop(cursor: Cursor, files: Path, scale: int) -> None:
    cursor.execute("BEGIN")
    cursor.execute("SELECT replay.begin(%s)", (OPENING,))
    cursor.execute("UPDATE replay.clock SET scale = %s", (scale,))
    for table in OPENING_STOCK:
        _copy_csv(cursor, table, files / f"{table}.csv")
    cursor.execute("COMMIT")


def _read_events(cursor: Cursor, path: Path) -> None:
    cursor.execute(sqlfile.read("replay_event"))
    _copy_csv(cursor, "event", path)
    cursor.execute("ANALYZE event")


def _copy_csv(cursor: Cursor, table: str, path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as rows:
        columns = rows.readline().strip().split(",")
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        cursor.copy_expert(copy, rows, size=1 << 20)


def _played(cursor: Cursor) -> int:
    cursor.execute("SELECT count(*) FROM event WHERE at <= (SELECT played FROM replay.clock)")
    return cursor.fetchone()[0]


def _months(upto: datetime) -> Iterator[datetime]:
    """The ends of the months before `upto`, and `upto` itself."""
    for month in range(2, 13):
        if (first := datetime(2023, month, 1, tzinfo=UTC)) < upto:
            yield first
    yield upto


@contextmanager
def sample_year(scale: int) -> Iterator[Path]:
    """The directory of the year's files: data/ itself, or a larger year generated for now."""
    if scale == 1:
        check_files(DATA)
        yield DATA
        return
    with tempfile.TemporaryDirectory(prefix="medallion-year-") as made:
        generate = [sys.executable, str(DATA / "generate.py"), "--scale", str(scale), "--out", made]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
        yield Path(made)


def check_files(directory: Path) -> None:
    """Raise MedallionError unless every file is, byte for byte, the one that was generated."""
    for line in (directory / "SHA256SUMS").read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        path = directory / name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            continue
        state = f"has {path.stat().st_size:,} bytes and" if path.exists() else "is missing, so it"
        raise MedallionError(
            f"data/{name} {state} is not the file that was generated: cut short or edited.\n"
            "Nothing was played. To make the sample year again:\n    python data/generate.py"
        )


_COPY = re.compile(r"COPY (\S+) \(.*\) FROM stdin;\n")
_SETVAL = re.compile(r"SELECT pg_catalog\.setval\('public\.\w+', \d+, (true|false)\);\n")
_IGNORED = re.compile(r"\s*$|--|SET |SELECT pg_catalog\.set_config\(|\\")


def load(source: Connection, path: Path) -> int:
    """Load the data of a dump that pg_dump made of Pagila; the number of tables filled.

    Reads COPY blocks and setval calls, in one transaction, and refuses every other statement.
    """
    tables = 0
    with source, source.cursor() as cursor, path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if copied := _COPY.match(line):
                rows = _copy_block(lines, path, copied[1], number)
                cursor.copy_expert(line.replace(";\n", ""), rows, size=1 << 20)
                tables += 1
            elif _SETVAL.match(line):
                cursor.execute(line)
            elif not _IGNORED.match(line):
                raise MedallionError(
                    f"{path}, line {number}, is neither COPY nor setval:\n    {line.strip()[:80]}\n"
                    "load reads the data of a Pagila dump: pg_dump --data-only"
                )
        if not tables:
            raise MedallionError(f"{path} holds no COPY ... FROM stdin: it is not a Pagila dump.")
    return tables


def _copy_block(lines: Iterator[str], path: Path, table: str, number: int) -> io.StringIO:
    rows = io.StringIO()
    for line in lines:
        if line == "\\.\n":
            rows.seek(0)
            return rows
        rows.write(line)
    raise MedallionError(
        f"{path} ends in the middle of {table}, begun at line {number}: it was cut short.\n"
        "Nothing was loaded. Get the whole file, then load it again."
    )
