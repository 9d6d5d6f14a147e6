"""Read an extract's files, row by row, and the manifest that promises what they hold."""

import codecs
import csv
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from medallion_lib.errors import MedallionError, refusal

MANIFEST = "manifest.json"


class Malformed(MedallionError):
    """Why a file, or a row of one, is set aside."""


class Promise(NamedTuple):
    """What the manifest promises of a file."""

    table: str
    instant: datetime
    rows: int
    sha256: str

    @property
    def batch(self) -> int:
        """The extract's number: its instant in UTC, as digits to the millisecond."""
        return int(f"{self.instant.astimezone(UTC):%Y%m%d%H%M%S%f}"[:-3])


class Row(NamedTuple):
    """A row of a file: its line, its text for COPY, and why COPY can't take it if so."""

    line: int
    csv: bytes
    problem: MedallionError | None = None
    told: str = ""  # as a person reads it, where that is not the CSV

    @property
    def raw(self) -> str:
        return self.told or self.csv.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def write_manifest(night: Path, promises: dict[str, Promise]) -> None:
    """Write what a directory's files hold. It appears last: with it, the files are complete."""
    told = {name: promise._asdict() | {"instant": promise.instant.isoformat()}
            for name, promise in promises.items()}  # fmt: skip
    part = night / f".{MANIFEST}"
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    os.replace(part, night / MANIFEST)


def promised(path: Path, data: bytes) -> Promise:
    """Return what the manifest promises of a file. Raises Malformed if the file breaks it."""
    try:
        told = json.loads((path.parent / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        raise refusal("file without a manifest", Malformed, manifest=MANIFEST) from None
    except ValueError as problem:
        raise refusal("manifest unreadable", Malformed, reason=problem) from None
    try:
        said = told[path.name]
        promise = Promise(**said)._replace(instant=datetime.fromisoformat(said["instant"]))
        if promise.instant.tzinfo is None:
            raise ValueError(promise.instant)
        instant, rows = promise.instant.astimezone(UTC), int(promise.rows)
        promise = Promise(str(promise.table), instant, rows, promise.sha256)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise refusal("file not in the manifest", Malformed, file=path.name) from None
    if hashlib.sha256(data).hexdigest() != promise.sha256:
        raise refusal("file not as extracted", Malformed, size=len(data))
    return promise


def rows(path: Path, data: bytes) -> tuple[list[str], Iterator[Row]]:
    """Return a file's columns and rows. Raises Malformed if it is neither CSV nor Parquet."""
    if path.suffix == ".csv":
        return _csv(data)
    if path.suffix == ".parquet":
        return _parquet(data)
    raise refusal("file of another form", Malformed, file=path.name)


def _csv(data: bytes) -> tuple[list[str], Iterator[Row]]:
    """Keep lines as bytes for PostgreSQL: no other reader tells an empty text from null."""
    header, *lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if lines and lines[-1] == b"":
        lines.pop()
    end = b"\r" if header.endswith(b"\r") else b""
    columns = next(csv.reader([header.removesuffix(end).decode("utf-8", "replace")]), [])
    return columns, _csv_rows(lines, end, len(columns))


def _csv_rows(lines: list[bytes], end: bytes, width: int) -> Iterator[Row]:
    """Yield rows; a row ends with the line that makes its quotes even.

    If that row lacks fields or has too many, it may have a stray quote: then only its first line
    is set aside, and reading goes on after it.
    """
    is_text = _not_text(b"\n".join(lines)) is None
    place = 0
    while place < len(lines):
        first, after = lines[place].removesuffix(end), place + 1
        if is_text and first.count(b",") == width - 1 and b'"' not in first and b"\r" not in first:
            yield Row(place + 2, first)  # nearly all of them
        else:
            record = _record(lines, place).removesuffix(end)
            problem = _unfit(record, width)
            if problem:
                record, problem = first, _unfit(first, width) or problem
            yield Row(place + 2, record, problem)
            after += record.count(b"\n")
        place = after


def _record(lines: list[bytes], place: int) -> bytes:
    """Return the lines from this one until quotes are even, or until the last."""
    odd = 0
    for after in range(place, len(lines)):
        odd ^= lines[after].count(b'"') % 2
        if not odd:
            break
    return b"\n".join(lines[place : after + 1])


def _unfit(record: bytes, width: int) -> MedallionError | None:
    outside = record.split(b'"')[::2]
    if (found := 1 + sum(part.count(b",") for part in outside)) != width:
        return refusal("row of other fields", Malformed, found=found, wanted=width)
    if record.count(b'"') % 2:
        return refusal("row without its quote", Malformed)
    if any(b"\r" in part for part in outside):
        return refusal("row with a bare return", Malformed)
    return _not_text(record)


def _not_text(record: bytes) -> MedallionError | None:
    try:
        record.decode("utf-8")
    except UnicodeDecodeError as problem:
        return refusal("row not text", Malformed, byte=f"0x{record[problem.start]:02x}")
    return refusal("row not text", Malformed, byte="0x00") if b"\0" in record else None


def pyarrow() -> ModuleType:
    """Import pyarrow, which only Parquet files need."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise refusal("no pyarrow") from None
    return pyarrow


def _parquet(data: bytes) -> tuple[list[str], Iterator[Row]]:
    arrow = pyarrow()
    try:
        table = arrow.parquet.read_table(arrow.BufferReader(data))
    except (arrow.ArrowException, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise refusal("file not Parquet", Malformed, reason=reason) from None
    return table.column_names, _parquet_rows(table.to_pylist(), table.column_names)


def _parquet_rows(records: list[dict[str, Any]], columns: Sequence[str]) -> Iterator[Row]:
    for line, record in enumerate(records, 1):
        texts = [as_text(record[name]) for name in columns]
        fields = ("" if text is None else '"' + text.replace('"', '""') + '"' for text in texts)
        row = ",".join(fields).encode("utf-8", "replace")
        told = json.dumps(dict(zip(columns, texts, strict=True)), ensure_ascii=False)
        yield Row(line, row, _not_text(row), told)


def as_text(value: Any) -> str | None:
    """Return a typed value as text that PostgreSQL reads as the same value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, list):
        return "{" + ",".join(map(_element, value)) + "}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _element(value: Any) -> str:
    text = as_text(value)
    if text is None or isinstance(value, list):
        return text or "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
