"""Load files into bronze: land new and changed rows, end missing ones, set bad ones aside."""

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from medallion_lib import Medallion, databases, server, sqlfile
from medallion_lib.batch import files
from medallion_lib.batch.declared import SOURCES, Landing
from medallion_lib.batch.extract import source_columns
from medallion_lib.batch.files import Malformed, Promise, Row
from medallion_lib.errors import refusal
from medallion_lib.steps import step
from medallion_lib.system_time import functions


class Loaded(NamedTuple):
    """What a load did with a file. Counts are rows; `note` says why nothing was loaded."""

    file: str
    rows: int = 0
    landed: int = 0  # new or changed
    ended: int = 0  # in the last extract, and not in this file
    set_aside: int = 0  # in quarantine
    note: str = ""


def set_up(lab: Medallion) -> None:
    """Make bronze_batch and silver_batch, or give them the columns that the source has now."""
    with lab._connected(lab.warehouse_url) as cursor, lab._connected(lab.source_url) as shop:
        server.only_one(cursor, "batch")
        cursor.execute("SELECT to_regclass('silver_batch.fact_rental') IS NOT NULL")
        (is_there,) = cursor.fetchone()
        cursor.execute(sqlfile.read("batch/schemas"))
        for table in SOURCES.values():
            columns = source_columns(shop, table)
            forget = "DELETE FROM bronze_batch.source_column WHERE source = %s"
            cursor.execute(forget, (table.name,))
            rows = [(table.name, place, *column) for place, column in enumerate(columns, 1)]
            insert = "INSERT INTO bronze_batch.source_column VALUES %s"
            execute_values(cursor, insert, rows)
            cursor.execute(Landing(table.name, {each.name: each for each in columns}).definition())
        cursor.execute(sqlfile.read("batch/lookups"))
        if not is_there:
            # The same tables, columns and comments as silver's, from the same file.
            databases.make_in(cursor, "silver_batch", "shop/silver")
            cursor.execute(sqlfile.read("batch/silver_comments"))
        functions.regenerate(cursor.connection)


def load_night(lab: Medallion, night: str | Path) -> list[Loaded]:
    """Load a night's files one by one, a table before those that look it up."""
    place = {name: number for number, name in enumerate(SOURCES)}
    if not Path(night).is_dir():
        raise refusal("no file", path=night)
    found = (path for path in Path(night).iterdir() if path.suffix in (".csv", ".parquet"))
    in_order = sorted(found, key=lambda path: (place.get(path.stem, len(place)), path.name))
    with lab._connected(lab.warehouse_url) as cursor:
        return [_landed(cursor, path) for path in in_order]


def load(lab: Medallion, path: str | Path) -> Loaded:
    """Land one file of an extract in bronze, whole or not at all. Loading it again changes nothing.

    A row that can't be read goes to the quarantine and leaves its key as it was. So does a file
    that is not what its manifest promises. Raises MedallionError when there is no such file.
    """
    with lab._connected(lab.warehouse_url) as cursor:
        return _landed(cursor, Path(path))


def _landed(cursor: Cursor, path: Path) -> Loaded:
    if not path.is_file():
        raise refusal("no file", path=path)
    data, name = path.read_bytes(), f"{path.resolve().parent.name}/{path.name}"
    facts = {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
    with cursor.connection:
        server.only_one(cursor, "batch")
        cursor.execute("SELECT to_regclass('silver_batch.fact_rental') IS NULL")
        if cursor.fetchone()[0]:
            raise refusal("batch not set up")
        try:
            loaded = _load(cursor, path, data, facts)
        except Malformed as problem:
            _set_aside(cursor, facts, [(None, None, str(problem))])
            loaded = Loaded(name, note=str(problem))
        step("file landed")
    step("file committed")
    return loaded


def _load(cursor: Cursor, path: Path, data: bytes, facts: dict[str, Any]) -> Loaded:
    promise = files.promised(path, data)
    if promise.table not in SOURCES:
        raise refusal("file of another table", Malformed, table=promise.table)
    facts |= {"batch": promise.batch, "source": promise.table, "instant": promise.instant}
    if _is_loaded(cursor, facts):
        return Loaded(facts["file"], promise.rows, note=str(refusal("file loaded before")))
    landing = Landing.read(cursor, promise.table)
    columns, rows = files.rows(path, data)
    rows = _whole(landing, columns, list(rows), promise)
    _stage(cursor, columns, (row for row in rows if not row.problem))
    step("file staged")
    cursor.execute(landing.statement("batch/load_check"))
    bad, may_end = _bad(cursor, landing, rows)
    counts = {"rows": promise.rows, "ended": 0, "set_aside": len(bad)}
    if may_end:
        cursor.execute(landing.statement("batch/load_end"), facts)
        counts["ended"] = cursor.rowcount
    cursor.execute(landing.statement("batch/load_land"), facts)
    counts["landed"] = cursor.rowcount
    _set_aside(cursor, facts, bad)
    cursor.execute(sqlfile.read("batch/load_file"), facts | counts)
    return Loaded(facts["file"], **counts)


def _is_loaded(cursor: Cursor, facts: dict[str, Any]) -> bool:
    """Whether this file was loaded before. Raises Malformed if it is too late, or of the future."""
    cursor.execute(sqlfile.read("batch/load_known"), facts)
    last, is_loaded, is_to_come = cursor.fetchone()
    if is_to_come:
        raise refusal("extract to come", Malformed, **facts)
    if not is_loaded and last is not None and last >= facts["batch"]:
        raise refusal("extract too late", Malformed, last=last, **facts)
    return is_loaded


def _whole(
    landing: Landing, columns: list[str], rows: list[Row], promise: Promise
) -> list[Row]:
    """Return the rows. Raises Malformed if columns or rows are missing, or columns are unknown."""
    if sorted(columns) != sorted(landing.columns):
        missing = ", ".join(name for name in landing.columns if name not in columns) or "none"
        more = ", ".join(name for name in columns if name not in landing.columns) or "none"
        told = {"table": landing.source, "missing": missing, "more": more}
        raise refusal("file of other columns", Malformed, **told)
    if len(rows) < promise.rows:
        raise refusal("file of fewer rows", Malformed, rows=len(rows), promised=promise.rows)
    return rows


def _stage(cursor: Cursor, columns: list[str], rows: Iterable[Row]) -> None:
    names = sqlfile.identifiers(columns)
    texts = sqlfile.identifiers(columns, "{} text")
    create = "CREATE TEMPORARY TABLE incoming (br_line integer, {}) ON COMMIT DROP"
    cursor.execute(sql.SQL(create).format(texts))
    file = BytesIO(b"".join(b"%d,%b\n" % (row.line, row.csv) for row in rows))
    copy = sql.SQL("COPY pg_temp.incoming (br_line, {}) FROM STDIN (FORMAT csv)").format(names)
    cursor.copy_expert(copy, file, size=1 << 20)


Bad = tuple[int | None, str | None, str]  # line, the row as the file has it, the reason


def _bad(cursor: Cursor, landing: Landing, rows: list[Row]) -> tuple[list[Bad], bool]:
    """Return the rows to set aside, and whether every key can be read: if not, no row may end."""
    cursor.execute(landing.statement("batch/load_faults"))
    faults = cursor.fetchall()
    bad = [(row.line, row.raw, str(row.problem)) for row in rows if row.problem]
    may_end = not bad and not any(is_unknown for _, _, is_unknown in faults)
    raw = {row.line: row.raw for row in rows} if faults else {}
    for line, (about, column, type_, value), _ in faults:
        reason = refusal(about, Malformed, column=column, type=type_, value=value)
        bad.append((line, raw[line], str(reason)))
    return sorted(bad), may_end


def _set_aside(cursor: Cursor, facts: dict[str, Any], bad: list[Bad]) -> None:
    rows = [(facts["file"], facts["sha256"], *each) for each in bad]
    if rows:
        execute_values(cursor, sqlfile.read("batch/quarantine"), rows)
