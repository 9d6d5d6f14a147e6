"""What is copied from one server to another arrives whole, or is an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server
from medallion_lib.bronze import capture, piped

TAKING = sql.SQL("COPY pg_temp.taken FROM STDIN")


@pytest.fixture
def ends(spare_url: URL) -> Iterator[tuple[Cursor, Cursor]]:
    """Two sessions, of which the second has a table for numbers below 3,000 and their texts."""
    with server.session(spare_url, autocommit=True) as source, server.session(spare_url, autocommit=True) as into:
        into.execute("CREATE TEMP TABLE taken (number integer CHECK (number < 3000), text text)")
        yield source, into


def sending(rows: str) -> sql.Composable:
    return sql.SQL(f"COPY ({rows}) TO STDOUT")


def test_every_row_arrives_and_is_told_once(ends: tuple[Cursor, Cursor]) -> None:
    source, into = ends
    told: list[int] = []
    texts = r"SELECT n, repeat(E'a\nb\t\\n\\.\r', 100) FROM generate_series(1, 2999) AS n"
    assert piped.copied(source, sending(texts), into, TAKING, told.append) == sum(told) == 2999
    into.execute(r"SELECT count(*), min(text) = repeat(E'a\nb\t\\n\\.\r', 100), count(DISTINCT text) FROM taken")
    assert into.fetchone() == (2999, True, 1)


@pytest.mark.parametrize("size", [2, 7, 8192])
def test_a_row_whose_mark_is_read_in_parts_is_told_once(ends: tuple[Cursor, Cursor], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source, into = ends
    told: list[int] = []
    binary = sql.SQL("{} (FORMAT binary)")
    sent = binary.format(sending("SELECT n, E'\\x01\n' || n FROM generate_series(1, 999) AS n"))
    monkeypatch.setattr(piped, "BUFFER", size)
    assert piped.copied(source, sent, into, binary.format(TAKING), told.append, b"\0\2\0\0\0\4") == sum(told) == 999


@pytest.mark.parametrize(("rows", "error"), [
    ("SELECT 1 / (2500 - n), 'x' FROM generate_series(1, 9999) AS n", errors.DivisionByZero),
    ("SELECT generate_series(1, 99999), repeat('x', 99)", errors.CheckViolation),
])  # fmt: skip
def test_an_error_of_either_server_ends_both(ends: tuple[Cursor, Cursor], rows: str, error: type[Exception]) -> None:
    source, into = ends
    with pytest.raises(error):
        piped.copied(source, sending(rows), into, TAKING, lambda _: None)


def test_what_limits_a_role_does_not_end_a_snapshot(spare_url: URL) -> None:
    limits = ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")
    limited = spare_url.update_query_dict({"options": " ".join(f"-c {name}=9s" for name in limits)})
    with server.session(spare_url) as holder:
        holder.execute("SELECT pg_export_snapshot()")
        with capture.exporting(limited, holder.fetchone()[0]) as cursor:
            for name in limits:
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchone() == ("0",)
