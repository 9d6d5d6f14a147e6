"""The source: build the shop, play the sample year through it, or load Pagila's own data."""

import hashlib
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.instants import instant
from medallion_lib.progress import Progress
from medallion_lib.server.embedded import CHECKOUT

DATA = CHECKOUT / "data"
OPENING = datetime(2022, 12, 31, 20, 0, 7, tzinfo=UTC)  # when the opening stock is booked
END = datetime(2024, 1, 1, tzinfo=UTC)

# In an order that foreign keys allow. All of it is one transaction.
OPENING_STOCK = (
    "country", "city", "address", "language", "category", "actor", "film", "film_actor",
    "film_category", "store", "staff", "customer", "inventory",
)  # fmt: skip


def build(cursor: Cursor) -> None:
    """Make the 15 empty tables and the replay's procedures in an empty database."""
    cursor.execute(sqlfile.read("shop/source"))
    cursor.execute(sqlfile.read("shop/replay"))


def replay(
    cursor: Cursor, until: str | datetime | None, scale: int | None, progress: Progress
) -> int:
    """Play the sample year's events before `until`, each a transaction at its business time.

    Returns the number of events played. It goes on from where the last replay stopped. The cursor
    is in autocommit: the procedure commits each event itself.
    Raises MedallionError after a change that was not replayed, or when a data file is not whole.
    """
    upto = min(instant(until), END) if until is not None else END
    played, scale = _clock(cursor, scale)
    cursor.execute("SET synchronous_commit = off")
    with sample_year(scale) as files:
        if played is None and upto > OPENING:
            _open_shop(cursor, files, scale)
        cursor.execute(sqlfile.read("shop/replay_event"))
        bounds = map(sql.Literal, (played or OPENING, upto))
        due = sql.SQL("WHERE at > {} AND at < {}").format(*bounds)
        _copy_csv(cursor, "event", files / "events.csv", due)
    cursor.execute("ANALYZE event")
    count = 0
    for month, end in enumerate(_months(upto), 1):
        cursor.execute("CALL replay.play(%s, %s)", (end, count))
        (count,) = cursor.fetchone()
        progress(month)
    cursor.execute("CALL replay.align_sequences()")
    return count


def _clock(cursor: Cursor, scale: int | None) -> tuple[datetime | None, int]:
    """Where the replay stands, and the scale it has; refused once somebody else wrote."""
    server.only_one_session(cursor, "replay")
    cursor.execute("SELECT played, live_since, scale FROM replay.clock")
    played, live_since, begun = cursor.fetchone()
    if live_since:
        raise refusal("replay after a live change", at=live_since.astimezone(UTC))
    if begun and scale and scale != begun:
        raise refusal("replay at another scale", begun=begun, asked=scale)
    return played, begun or scale or 1


def _open_shop(cursor: Cursor, files: Path, scale: int) -> None:
    cursor.execute("BEGIN")
    cursor.execute("SELECT replay.begin(%s)", (OPENING,))
    cursor.execute("UPDATE replay.clock SET scale = %s", (scale,))
    for table in OPENING_STOCK:
        _copy_csv(cursor, table, files / f"{table}.csv")
    cursor.execute("COMMIT")


def _copy_csv(cursor: Cursor, table: str, path: Path, *where: sql.Composable) -> None:
    with path.open(encoding="utf-8", newline="") as rows:
        columns = rows.readline().strip().split(",")
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv) ")
        into = copy.format(sql.Identifier(table), sqlfile.identifiers(columns))
        cursor.copy_expert(into + sql.Composed(where), rows, size=1 << 20)


def _months(upto: datetime) -> list[datetime]:
    """The ends of the months before `upto`, and `upto` itself."""
    firsts = (datetime(2023, month, 1, tzinfo=UTC) for month in range(2, 13))
    return [*(first for first in firsts if first < upto), upto]


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
        held = (directory / name).read_bytes() if (directory / name).exists() else b""
        if hashlib.sha256(held).hexdigest() != digest:
            raise refusal("data file not whole", name=name, size=len(held))


LAST_LINE = "-- PostgreSQL database dump complete\n"
_COPY = re.compile(r"COPY (\S+) \(.*\) FROM stdin;\n")
_SETVAL = re.compile(r"SELECT pg_catalog\.setval\('public\.\w+', \d+, (true|false)\);\n")


def load(cursor: Cursor, path: Path) -> int:
    """Load the data of a dump that pg_dump made of Pagila; the number of tables filled.

    Takes its COPY blocks and setval calls, in one transaction, and nothing else of it.
    """
    tables, is_whole = 0, False
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if copied := _COPY.match(line):
                    rows = _copy_block(lines, path, copied[1], number)
                    cursor.copy_expert(line.replace(";\n", ""), rows, size=1 << 20)
                    tables += 1
                elif _SETVAL.match(line):
                    cursor.execute(line)
                is_whole = is_whole or line == LAST_LINE
            if not tables or not is_whole:
                raise refusal("not a whole dump", path=path)
            cursor.connection.commit()  # foreign keys are checked here
            return tables
    except (psycopg2.Error, UnicodeDecodeError, OSError) as problem:
        raise refusal("dump not accepted", path=path, reason=str(problem).strip()) from problem


def _copy_block(lines: Iterator[str], path: Path, table: str, number: int) -> io.StringIO:
    rows = io.StringIO()
    for line in lines:
        if line == "\\.\n":
            rows.seek(0)
            return rows
        rows.write(line)
    raise refusal("dump cut short", path=path, table=table, number=number)
