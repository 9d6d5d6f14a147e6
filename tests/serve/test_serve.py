"""Any client says FOR SYSTEM_TIME by serve, and all else it says comes through as it is."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from other_servers import BROUGHT
from psycopg2.extras import LogicalReplicationConnection
from serving import Bare, Message, Served, complaint, free_port, kinds, rows, serving
from sqlalchemy import URL, create_engine
from sqlalchemy import text as sqltext
from year import as_owner, ask, own_lab

from medallion_lib import Medallion, MedallionError, databases, serve, server
from medallion_lib.errors import TEXTS
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.serve import text
from medallion_lib.serve.door import verifies
from medallion_lib.serve.session import Session
from medallion_lib.serve.text import Said
from medallion_lib.serve.wire import Wire, message
from medallion_lib.system_time.clause import Parsed
from medallion_lib.system_time.tokens import edited, tokenize

JULY = datetime(2023, 7, 1, tzinfo=UTC)
COUNT = "SELECT count(*) FROM dim_customer_hist"
AS_OF = f"{COUNT} FOR SYSTEM_TIME AS OF '2023-07-01'"
ROOT = Path(__file__).parents[2]
JAVA = Path(__file__).with_name("AsOf.java")
JDBC = Path("/usr/share/java/postgresql.jar")
VERSIONED = "CREATE TABLE kept (id int PRIMARY KEY, v int) WITH (system_versioning = true)"


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    with own_lab("serve") as lab:
        lab.reset(year=True)
        yield lab


@pytest.fixture(scope="module")
def served(lab: Medallion) -> Iterator[Served]:
    with serving(lab) as served:
        yield served


@pytest.fixture(scope="module")
def july(lab: Medallion) -> int:
    with as_owner(lab) as owner:
        where = "sys_start <= '2023-07-01' AND sys_end > '2023-07-01'"
        [(count,)] = ask(owner, f"SELECT count(*) FROM silver.dim_customer_hist WHERE {where}")
    return count


@pytest.fixture
def bare(served: Served) -> Iterator[Bare]:
    client = Bare(served.asked)
    yield client
    client.close()


def run(lab: Medallion, program: str, *arguments: str, stdin: str | None = None) -> str:
    """What one of PostgreSQL's own programs prints."""
    command = [str(lab.place.binaries / program), *arguments]
    environment = {**os.environ, "PGTZ": "UTC", "PGOPTIONS": ""}
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment, timeout=120)  # fmt: skip
    return done.stdout


# --- Clients -----------------------------------------------------------------------------------

SCRIPT = r"""
\set VERBOSITY verbose
SELECT count(*) FROM dim_customer_hist FOR SYSTEM_TIME AS OF '2023-07-01'::timestamptz;
SELECT count(*) FROM dim_customer_hist FOR SYSTEM_TIME AS OF $1 AS c \bind 2023-07-01 \g
CREATE TABLE by_psql (id int PRIMARY KEY, v int) WITH (system_versioning = true);
ALTER TABLE by_psql ADD w text \bind \g
INSERT INTO by_psql VALUES (1, 1);
UPDATE by_psql SET v = 2;
SELECT 'versions ' || count(*) FROM by_psql FOR SYSTEM_TIME ALL;
DROP TABLE by_psql;
BEGIN;
CREATE VIEW of_it AS SELECT 7 % 4 AS three, count(*) FROM dim_film;
SELECT 'view ' || count FROM of_it FOR SYSTEM_TIME AS OF '2023-07-01';
SELECT * FROM of_it FOR SYSTEM_TIME;
SELECT 1;
ROLLBACK;
SELECT oops FROM dim_film FOR SYSTEM_TIME AS OF '2023-07-01' AS f WHERE worse;
SELECT * FROM dim_film FOR SYSTEM_TIME AS OF 'June';
SELECT * FROM nowhere FOR SYSTEM_TIME AS OF '2023-07-01';
"""


def test_psql(served: Served, july: int) -> None:
    told = run(served.lab, "psql", "-XAt", served.psql, stdin=SCRIPT)
    lines = told.splitlines()
    assert lines[:2] == [str(july)] * 2
    assert lines[2:10] == ["CREATE TABLE", "ALTER TABLE", "INSERT 0 1", "UPDATE 1", "versions 2",
                           "DROP TABLE", "BEGIN", "CREATE VIEW"]  # fmt: skip
    assert "view 1000" in lines and "ROLLBACK" in lines
    assert "ERROR:  42601: FOR SYSTEM_TIME must go on with AS OF, FROM … TO" in told
    assert "HINT:  Write FOR SYSTEM_TIME AS OF '2023-07-01'." in told
    assert "25P02: current transaction is aborted" in told
    assert "LINE 1: SELECT oops FROM dim_film FOR SYSTEM_TIME AS OF '2023-07-01'" in told
    assert '22007: invalid input syntax for type timestamp with time zone: "June".' in told
    assert "42883: nowhere has no history." in told
    assert re.search(r"HINT:  These have: .*dim_customer, dim_customer_hist", told)


def test_psycopg2(served: Served, july: int) -> None:
    with closing(served.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"{COUNT} FOR SYSTEM_TIME AS OF %s", (JULY,))
        assert cursor.fetchone() == (july,)
        with pytest.raises(psycopg2.Error) as refused:
            cursor.execute(f"{COUNT} FOR SYSTEM_TIME AS")
        assert refused.value.diag.sqlstate == "42601"
        assert refused.value.diag.message_hint.startswith("Write for example FOR SYSTEM_TIME AS OF")
        cursor.execute(AS_OF)
        assert cursor.fetchone() == (july,)


def test_psycopg(served: Served, july: int) -> None:
    psycopg = pytest.importorskip("psycopg", reason="psycopg 3 is in requirements-star.txt")
    with psycopg.connect(served.psql, autocommit=True) as connection:
        for _ in range(8):  # from the sixth time on, it is a named statement
            asked = f"{COUNT} FOR SYSTEM_TIME AS OF %s"
            for instant in (JULY, "2023-07-01"):
                assert connection.execute(asked, [instant]).fetchone() == (july,)
        with connection.pipeline(), connection.cursor() as first, connection.cursor() as second:
            first.execute("SELECT 'before' || %s", ["it"])
            second.execute(f"{COUNT} FOR SYSTEM_TIME AS OF %s", [JULY])
            assert first.fetchone() == ("beforeit",) and second.fetchone() == (july,)
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE copied (a int, b text)")
            with connection.cursor().copy("COPY copied FROM STDIN") as copy:
                for number in range(20_000):
                    copy.write_row((number, "create history " * 5))
        with connection.cursor().copy("COPY copied TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 20_000
        assert connection.execute(AS_OF).fetchone() == (july,)


def test_sqlalchemy_opens_the_url_that_serve_prints(served: Served, july: int) -> None:
    """SQLAlchemy 2.1 takes psycopg 3 where a URL names no driver."""
    pytest.importorskip("psycopg", reason="psycopg 3 is in requirements-star.txt")
    engine = create_engine(served.url)
    assert engine.driver == "psycopg"
    with closing(engine.connect()) as connection:
        asked = sqltext(f"{COUNT} FOR SYSTEM_TIME AS OF :instant")
        for instant in (JULY, "2023-07-01"):
            assert connection.execute(asked, {"instant": instant}).scalar() == july
    engine.dispose()


def test_asyncpg(served: Served, july: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(BROUGHT)])
    asyncpg = pytest.importorskip("asyncpg", reason="asyncpg comes by make versions")

    async def ask_all() -> None:
        connection = await asyncpg.connect(
            host=str(served.directory), port=served.port, user="medallion_notebook",
            database=served.lab.warehouse_name)  # fmt: skip
        for _ in range(3):
            assert await connection.fetchval(f"{COUNT} FOR SYSTEM_TIME AS OF $1", JULY) == july
        async with connection.transaction():
            await connection.execute(VERSIONED)
            await connection.executemany("INSERT INTO kept VALUES ($1, 1)", [(1,), (2,)])
            every = "SELECT count(*) FROM kept FOR SYSTEM_TIME ALL"
            assert await connection.fetchval(every) == 2
            with pytest.raises(asyncpg.UndefinedFunctionError, match="nowhere has no history") as refused:
                async with connection.transaction():
                    await connection.fetch("SELECT * FROM nowhere FOR SYSTEM_TIME AS OF $1", JULY)
            assert "These have: " in refused.value.hint
            await connection.execute("DROP TABLE kept")
        copied = BytesIO()
        await connection.copy_from_query(AS_OF, output=copied)
        assert copied.getvalue() == f"{july}\n".encode()
        await connection.close()

    asyncio.run(ask_all())


def test_pgbench_in_all_three_modes(served: Served, tmp_path: Path) -> None:
    script = tmp_path / "asked.sql"
    script.write_text(f"\\set customer random(1, 500)\n{AS_OF} WHERE customer_id = :customer;\n")
    for mode in ("simple", "extended", "prepared"):
        told = run(served.lab, "pgbench", "-n", "-c", "2", "-t", "10", "-M", mode, "-f", str(script),
                   *("-h", str(served.directory), "-p", str(served.port), "-U", "medallion_notebook"),
                   served.lab.warehouse_name)  # fmt: skip
        assert "number of transactions actually processed: 20/20" in told, told


def test_pg_dump(served: Served) -> None:
    chosen = ["--restrict-key=same", "-t", "meta.watermark", "-t", "gold.vw_top_titles"]
    owner = served.psql.replace("medallion_notebook", "medallion")
    through = run(served.lab, "pg_dump", *chosen, owner)
    direct = run(served.lab, "pg_dump", *chosen, owner.replace(f"port={served.port}", ""))
    assert through == direct and "CREATE VIEW gold.vw_top_titles" in through


def test_copy_and_notifications(served: Served) -> None:
    with closing(served.connect()) as one, closing(served.connect()) as other, one.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE copied (a int, b text)")
        given = "".join(f"{number}\tFOR SYSTEM_TIME DROP\n" for number in range(50_000))
        cursor.copy_expert("COPY copied FROM STDIN", BytesIO(given.encode()))
        taken = BytesIO()
        cursor.copy_expert("COPY copied TO STDOUT", taken)
        assert taken.getvalue().decode() == given
        with pytest.raises(psycopg2.Error, match="invalid input syntax for type integer"):
            cursor.copy_expert("COPY copied FROM STDIN", BytesIO(b"one\ttwo\n"))
        cursor.execute("LISTEN heard")
        other.cursor().execute("NOTIFY heard, 'history'")
        give_up = time.monotonic() + 30
        while not one.notifies and time.monotonic() < give_up:
            one.poll()
            time.sleep(0.01)
        assert [each.payload for each in one.notifies] == ["history"]


def test_a_cancel_request_reaches_the_server(served: Served) -> None:
    with closing(served.connect()) as connection, connection.cursor() as cursor:
        threading.Timer(0.5, connection.cancel).start()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(60)")
        cursor.execute("SELECT 1")


def test_a_replication_connection_passes_unread(served: Served) -> None:
    asked = served.asked | {"user": "medallion", "connection_factory": LogicalReplicationConnection}
    with closing(psycopg2.connect(**asked)) as connection, connection.cursor() as cursor:
        cursor.execute("IDENTIFY_SYSTEM")
        assert cursor.fetchone()[3] == served.lab.warehouse_name


def test_without_serve_an_instant_sent_as_text_needs_a_cast(served: Served, july: int) -> None:
    """As JDBC's setString sends it: with the type varchar."""
    direct, called = Bare(served.asked | {"port": 5432}), "SELECT count(*) FROM dim_customer_hist__as_of"

    def sent(client: Bare, instant: str) -> list[Message]:
        typed = b"\0" + f"{called}({instant})".encode() + b"\0\0\1" + (1043).to_bytes(4)
        given = b"\0\0\0\0\0\1" + (10).to_bytes(4) + b"2023-07-01" + bytes(2)
        client.send((b"P", typed), (b"B", given), (b"E", bytes(5)), (b"S", b""))
        return client.until_ready()

    assert complaint(sent(direct, "$1"))["C"] == "42883"
    assert rows(sent(direct, "$1::timestamptz")) == [str(july)]
    through = Bare(served.asked)
    assert rows(sent(through, "$1")) == [str(july)]
    for client in (direct, through):
        client.close()


def test_of_two_functions_a_literal_would_take_that_of_text(lab: Medallion) -> None:
    """So there is none for text: the literal would no longer be one instant when a plan is made."""
    asked = "EXPLAIN SELECT count(*) FROM silver.fact_payment__as_of('2023-07-01')"
    instant = "'2023-07-01 00:00:00+00'::timestamp with time zone"
    with server.session(lab.warehouse_url) as owner:
        owner.execute(asked)
        assert instant in str(owner.fetchall())
        owner.execute("CREATE FUNCTION silver.fact_payment__as_of(text) RETURNS SETOF silver.fact_payment "
                      "LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM silver.fact_payment__as_of($1::timestamptz); END")  # fmt: skip
        owner.execute(asked)
        plan = str(owner.fetchall())
        assert "::cstring" in plan and instant not in plan
        owner.connection.rollback()


# --- Messages ----------------------------------------------------------------------------------


def test_statements_come_back_byte_for_byte(served: Served, spare_url: URL) -> None:
    from test_statements import STATEMENTS

    direct = {"host": str(served.directory), "port": 5432, "user": "medallion_notebook",
              "dbname": spare_url.database}  # fmt: skip
    clients = [Bare(direct), Bare(direct), Bare(direct | {"port": served.port})]
    compared = 0
    for sql in STATEMENTS:
        first, second, through = (client.ask(sql) for client in clients)
        if first == second:  # else it tells the time, or a random number
            compared += 1
            assert through == first, sql
        first, second, through = (client.in_series(sql) for client in clients)
        if first == second:
            assert through == first, sql
    assert compared > 0.9 * len(STATEMENTS)
    for client in clients:
        client.close()


def test_a_series_is_one_transaction_with_the_clause_in_it(bare: Bare, july: int) -> None:
    bare.ask("CREATE TEMP TABLE written (a int)")
    heard = bare.in_series("INSERT INTO written VALUES (1)", AS_OF, "SELECT count(*) FROM written")
    assert rows(heard) == [str(july), "1"] and kinds(heard) == "12C12DC12DCZ"
    heard = bare.in_series("INSERT INTO written VALUES (2)", AS_OF, "SELECT 1 / 0")
    assert kinds(heard) == "12C12DC1EZ"
    assert rows(bare.ask("SELECT count(*) FROM written")) == ["1"]


def test_an_error_in_a_series_skips_the_rest_of_it(bare: Bare, july: int) -> None:
    refused = "SELECT * FROM dim_film FOR SYSTEM_TIME"
    for flush in (False, True):
        heard = bare.in_series("SELECT 1", refused, AS_OF, "SELECT 2", flush=flush)
        assert rows(heard) == ["1"] and kinds(heard) == "12DCEZ"
        assert complaint(heard)["C"] == "42601"
        assert "must go on with AS OF" in complaint(heard)["M"]
        heard = bare.in_series("SELECT 1 / 0", refused, AS_OF, flush=flush)
        assert kinds(heard) == "1EZ" and complaint(heard)["C"] == "22012"
        assert rows(bare.in_series(AS_OF)) == [str(july)]


def test_in_a_failed_transaction_the_complaint_is_postgresqls(bare: Bare) -> None:
    for ask_it in (bare.ask, bare.in_series):
        bare.ask("BEGIN")
        assert complaint(ask_it("SELECT * FROM dim_film FOR SYSTEM_TIME"))["C"] == "42601"
        for sql in (AS_OF, "DROP TABLE dim_film_hist", "SELECT 1"):
            heard = ask_it(sql)
            assert complaint(heard)["C"] == "25P02" and heard[-1] == (b"Z", b"E")
        assert bare.ask("ROLLBACK")[-1] == (b"Z", b"I")


def test_several_statements_in_one_text(bare: Bare, july: int) -> None:
    heard = bare.ask(f"SELECT 1; {AS_OF}; CREATE TEMP VIEW of_it AS {AS_OF}; SELECT * FROM of_it")
    assert rows(heard) == ["1", str(july), str(july)] and heard[-1] == (b"Z", b"I")


def test_a_name_that_a_temp_table_hides_is_refused(bare: Bare, july: int) -> None:
    bare.ask("CREATE TEMP TABLE dim_customer_hist (a int)")
    for ask_it in (bare.ask, bare.in_series):
        told = complaint(ask_it(AS_OF))
        assert "dim_customer_hist is another table here" in told["M"]
        assert "FROM silver.dim_customer_hist FOR SYSTEM_TIME" in told["H"]
    heard = bare.in_series("SELECT 1", AS_OF)
    assert kinds(heard) == "12DCEZ"
    bare.ask("DROP TABLE pg_temp.dim_customer_hist")
    assert rows(bare.ask(AS_OF)) == [str(july)]


def test_views_are_asked_in_the_transaction_that_makes_them(bare: Bare) -> None:
    made = "CREATE VIEW rolled_back AS SELECT count(*) FROM dim_film"
    asked = "SELECT * FROM rolled_back FOR SYSTEM_TIME AS OF '2023-07-01'"
    for ask_it in (bare.ask, bare.in_series):
        bare.ask("BEGIN")
        heard = ask_it(made)
        assert kinds(heard).replace("S", "") in ("CZ", "12CZ") and heard[-1] == (b"Z", b"T")
        assert rows(ask_it(asked)) == ["1000"]
        bare.ask("ROLLBACK")
        assert "rolled_back has no history" in complaint(ask_it(asked))["M"]


def test_pipelined_beyond_ddl(bare: Bare) -> None:
    """What a client sends before it has heard that its DDL is done, waits for the functions."""
    asked = "SELECT count(*) FROM at_once FOR SYSTEM_TIME AS OF '2023-07-01'"
    for sql in ("CREATE VIEW at_once AS SELECT * FROM dim_film", asked, "DROP VIEW at_once", "SELECT 5"):
        bare.send((b"Q", sql.encode() + b"\0"))
    heard = [bare.until_ready() for _ in range(4)]
    assert rows(heard[1]) == ["1000"] and rows(heard[3]) == ["5"]
    assert not any(b"E" in kinds(each).encode() for each in heard)


def test_a_prepared_ddl_behind_a_series_that_fails(bare: Bare) -> None:
    """The error is of what was sent before, and so no reason to leave the functions unmade."""
    made, asked = b"CREATE VIEW prepared AS SELECT * FROM dim_film\0\0\0", "prepared FOR SYSTEM_TIME"
    bare.send((b"P", b"made\0" + made), (b"S", b""))
    bare.until_ready()
    failing = (b"P", b"\0SELECT 1 / 0\0\0\0"), (b"B", bytes(8)), (b"E", bytes(5)), (b"S", b"")
    bare.send(*failing, (b"B", b"\0made\0" + bytes(6)), (b"E", bytes(5)), (b"S", b""))
    assert complaint(bare.until_ready())["C"] == "22012"
    assert kinds(bare.until_ready()) == "2CZ"
    assert rows(bare.ask(f"SELECT count(*) FROM {asked} AS OF '2023-07-01'")) == ["1000"]
    bare.ask("DROP VIEW prepared")


def test_what_the_hook_asks_may_have_long_answers(bare: Bare) -> None:
    """Longer than what is held of a client's, or of an answer, that waits."""
    bare.ask(f"CREATE VIEW long AS SELECT film_id, '{'x' * 300_000}' AS much FROM dim_film")
    asked = "SELECT min(length(much)) FROM long FOR SYSTEM_TIME AS OF '2023-07-01'"
    for ask_it in (bare.ask, bare.in_series):
        assert rows(ask_it(asked)) == ["300000"]
    bare.ask("DROP VIEW long")


def test_an_encoding_of_the_clients_own(served: Served) -> None:
    with closing(served.connect()) as connection, connection.cursor() as cursor:
        connection.set_client_encoding("LATIN1")
        cursor.execute('CREATE TABLE "Straße" (id int PRIMARY KEY, "é" text) WITH (system_versioning = true)')
        cursor.execute('INSERT INTO "Straße" VALUES (1, %s)', ("à",))
        cursor.execute('SELECT "é" FROM "Straße" FOR SYSTEM_TIME AS OF now()')
        assert cursor.fetchone() == ("à",)
        with pytest.raises(psycopg2.Error) as refused:
            cursor.execute('SELECT "é" FROM "Straße" FOR SYSTEM_TIME')
        assert "must go on with AS OF, FROM ? TO" in refused.value.diag.message_primary
        cursor.execute('DROP TABLE "Straße"')


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.text(max_size=5)), max_size=4))
@settings(max_examples=60, deadline=None)
def test_an_errors_place_is_one_of_the_clients_text(sql: str, drawn: list[tuple[int, int, str]]) -> None:
    edits, at = [], 0
    for start, length, new in sorted(drawn):
        if at <= start <= start + length <= len(sql):
            edits.append((start, start + length, new))
            at = start + length + 1
    said = Said(sql, Parsed(sql, tokenize("")), edits)
    marked = [*range(len(sql))]
    gone = {place for start, end, _ in edits for place in range(start, end)}
    sent, shift = edited(sql, edits), 0
    for place in marked:
        shift = sum(len(new) - (end - start) for start, end, new in edits if end <= place)
        if place not in gone:
            assert sent[place + shift] == sql[place]
            assert said.original(place + shift + 1) == place + 1


def test_a_refusal_is_told_as_postgresql_tells_errors() -> None:
    for name, about in TEXTS.items():
        told = text.told(MedallionError(about))
        assert "\n" not in told["M"], name
    told = text.told(MedallionError(TEXTS["name hidden"]))
    assert told["M"].endswith("earlier in the search_path.") and told["H"].startswith("It hides")


# However a connection's bytes arrive, the same messages pass, and the session has seen the same.


class Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data, self.reads = b"", True

    def write(self, data: bytes) -> None:
        self.data += data

    def is_reading(self) -> bool:
        return self.reads

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False


READY = message(b"Z", b"I")
# What a client says, and the server's answer, of all kinds that pass unread.
TALKS = st.sampled_from([
    (message(b"Q", b"SELECT 1\0"), message(b"T", bytes(30)) + message(b"D", b"Z\0\0\0\5I") + message(b"C", b"S\0") + READY),
    (message(b"P", b"\0SELECT 1\0\0\0") + message(b"B", bytes(8)) + message(b"D", b"P\0") + message(b"E", bytes(5))
     + message(b"S"), message(b"1") + message(b"2") + message(b"n") + message(b"C", b"S\0") + READY),
    (message(b"Q", b"COPY a FROM STDIN\0") + message(b"d", b"Q" + bytes(300)) + message(b"c"),
     message(b"G", bytes(3)) + message(b"C", b"COPY 1\0") + READY),
    (message(b"Q", b"COPY a TO STDOUT\0"), message(b"H", bytes(3)) + message(b"d", b"Z" * 300) + message(b"c")
     + message(b"C", b"COPY 1\0") + READY),
    (message(b"P", b"\0oops\0\0\0") + message(b"H") + message(b"B", bytes(8)) + message(b"S"),
     message(b"E", b"SERROR\0C42601\0\0") + READY),
    (message(b"Q", b"SET a = 1\0"), message(b"N", bytes(40)) + message(b"S", b"a\0001\0") + message(b"C", b"SET\0") + READY),
])  # fmt: skip


def begun() -> tuple[Session, Wire, Wire]:
    """A session whose client was let in."""
    client, server = Wire(), Wire()
    client.other, server.other = server, client
    client.transport, server.transport = Written(), Written()
    session = Session(client, server, True, list)
    for wire in (server, client):
        wire.go_on()
    server.data_received(READY)
    client.transport.data = b""
    return session, client, server


def feed(wire: Wire, data: bytes, cuts: list[float]) -> None:
    places = [0, *sorted({int(cut * len(data)) for cut in cuts}), len(data)]
    for begin, end in pairwise(places):
        if end > begin:
            wire.data_received(data[begin:end])


def test_no_statement_or_portal_is_kept_once_it_is_closed() -> None:
    async def talk() -> None:
        session, client, server = begun()
        session._keep(b"Sone", Said("", Parsed("", tokenize("")), []))
        for number in range(100):
            portal = b"C_%d\0" % number
            client.data_received(message(b"B", portal + b"one\0" + bytes(6)) + message(b"B", portal + b"two\0" + bytes(6))
                                 + message(b"B", portal + b"one\0" + bytes(6)) + message(b"E", portal + bytes(4)))  # fmt: skip
            assert session._pending[-1].said
            client.data_received(message(b"C", b"P" + portal) + message(b"S"))
            server.data_received(message(b"2") * 3 + message(b"C", b"S\0") + message(b"3") + READY)
        assert session._named.keys() == {b"Sone"}
        client.data_received(message(b"C", b"Sone\0"))
        assert not session._named

    asyncio.run(talk())


CUTS = st.lists(st.floats(0, 1), max_size=12)


@given(st.lists(TALKS, min_size=1, max_size=5), CUTS, CUTS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_passes_is_what_came(talks: list[tuple[bytes, bytes]], said: list[float], told: list[float], at_once: bool) -> None:
    """At once, a client says all before it hears anything, where it copies nothing in."""

    async def talk() -> None:
        session, client, server = begun()
        together = at_once and not any(b"STDIN" in each for each, _ in talks)
        exchanges = [tuple(map(b"".join, zip(*talks, strict=True)))] if together else talks
        for asked, answer in exchanges:
            server.transport.data = client.transport.data = b""
            feed(client, asked, said)
            assert server.transport.data == asked
            feed(server, answer, told)
            assert client.transport.data == answer
            assert not session._pending and not session._is_open and not session._is_skipping
            assert session.transaction_status == 0 and not (client.held or server.held)

    asyncio.run(talk())


@given(CUTS)
@settings(max_examples=50, deadline=None)
def test_a_text_of_the_hooks_concern_holds_what_comes_behind_it(cuts: list[float]) -> None:
    async def talk() -> None:
        _, client, server = begun()
        before, said = message(b"Q", b"SELECT 1\0"), b"SELECT * FROM a FOR System_Time AS OF now()\0"
        feed(client, before + message(b"Q", said) + before, cuts)
        assert client.is_stopped and server.transport.data == before
        assert client.take() == (ord("Q"), said)
        client.go_on()
        assert server.transport.data == before * 2 and not client.held

    asyncio.run(talk())


# --- Whom it lets in, and what it bears ----------------------------------------------------------


def test_nothing_listens_on_tcp_unless_asked(served: Served) -> None:
    listening = psutil.Process(served.pid).net_connections("inet")
    assert listening == []
    path = served.directory / f".s.PGSQL.{served.port}"
    assert path.stat().st_mode & 0o077 == 0 and served.directory.stat().st_mode & 0o077 == 0


def refused(lab: Medallion, *options: str | None) -> str:
    """Why serve does not begin."""
    with pytest.raises(MedallionError) as problem:
        asyncio.run(serve.serve(lab.place, SEARCH_PATH, *options))
    return str(problem.value)


def test_a_second_serve_is_refused(served: Served) -> None:
    assert "Another serve listens on" in refused(served.lab)
    assert rows(Bare(served.asked).ask("SELECT 1")) == ["1"]


def test_addresses_and_certificates_are_read(lab: Medallion, tmp_path: Path) -> None:
    for listen in ("5433", "here:", ":5433", "127.0.0.1:65536", "127.0.0.1:x"):
        assert "--listen takes an address and a port" in refused(lab, listen)
    for listen in ("0.0.0.0:5433", "[::]:5433", "example.org:5433"):
        assert "would cross the network in clear" in refused(lab, listen)
    (tmp_path / "none").write_text("none")
    assert "can't be read" in refused(lab, None, str(tmp_path / "none"), str(tmp_path / "none"))
    assert "can't be read" in refused(lab, None, str(tmp_path / "gone"))
    assert serve.read_address("[::1]:5433") == ("::1", 5433)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str] | None:
    """A certificate for localhost, and its key; none where openssl is not there."""
    if not shutil.which("openssl"):
        return None
    cert, key = (str(tmp_path_factory.mktemp("tls") / name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)  # fmt: skip
    return cert, key


@pytest.fixture(scope="module")
def on_tcp(lab: Medallion, certificate: tuple[str, str] | None) -> Iterator[Served]:
    """With a role that has a password, and one that has none, beside those of the warehouse."""
    port = free_port()
    with databases.administering(lab.place.url) as cursor:
        for role in ("served", "passwordless"):
            cursor.execute(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN IN ROLE medallion_notebook")
        cursor.execute("ALTER ROLE served PASSWORD 'pässword'")
    secure = ["--cert", certificate[0], "--key", certificate[1]] if certificate else []
    with serving(lab, "--listen", f"127.0.0.1:{port}", *secure, port=port) as served:
        yield served
    with databases.administering(lab.place.url) as cursor:
        cursor.execute("DROP ROLE served, passwordless")


def knock(on_tcp: Served, user: str, password: str | None = None, **other: object) -> str:
    """How it ends over TCP: who one is then, or what is said."""
    asked = {"host": "127.0.0.1", "user": user, "password": password, "sslmode": "disable"} | other
    try:
        with closing(on_tcp.connect(**asked)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT current_user::text, ({AS_OF})::text")
            return cursor.fetchone()[0]
    except psycopg2.OperationalError as problem:
        return str(problem)


def test_over_tcp_nobody_comes_in_without_a_password(on_tcp: Served) -> None:
    """The server itself would let in everybody: it takes them for who runs serve."""
    assert knock(on_tcp, "served", "pässword") == "served"
    for user, password in (("served", "password"), ("served", "x" * 9_000), ("medallion", "any"),
                           ("passwordless", "any"), ("nobody_here", "any")):  # fmt: skip
        assert f'password authentication failed for user "{user}"' in knock(on_tcp, user, password)
    assert "no password supplied" in knock(on_tcp, "medallion")
    assert knock(on_tcp, "medallion_notebook", host=str(on_tcp.directory)) == "medallion_notebook"


def test_a_password_of_scram_is_known_by_its_verifier(lab: Medallion) -> None:
    from psycopg2.extensions import encrypt_password

    with as_owner(lab) as owner:
        for password in ("secret", "pässword", "with $: signs", "x" * 300):
            verifier = encrypt_password(password, "any", owner, "scram-sha-256")
            assert verifies(verifier, password.encode())
            assert not verifies(verifier, password.encode() + b"x")
    assert not verifies("md5" + "0" * 32, b"secret") and not verifies("", b"")


def test_tls_where_it_has_a_certificate(on_tcp: Served, certificate: tuple[str, str] | None) -> None:
    if not certificate:
        pytest.skip("openssl, which makes a certificate, is not here")
    verified = {"sslmode": "verify-full", "sslrootcert": certificate[0], "host": "localhost"}
    assert knock(on_tcp, "served", "pässword", **verified, hostaddr="127.0.0.1") == "served"


def test_a_server_of_ones_own_has_a_directory_for_its_owner_alone(
    lab: Medallion, july: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"MEDALLION_SERVER_URL": server.libpq(lab.place.url), "TMPDIR": str(tmp_path)}
    with serving(lab, environment=own) as served:
        assert served.directory == tmp_path / f"medallion-serve-{os.geteuid()}"
        assert served.directory.stat().st_mode & 0o777 == 0o700
        assert rows(Bare(served.asked).ask(AS_OF)) == [str(july)]
    served.directory.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MedallionError, match=str(served.directory)):
        serve.place(server.Server(lab.place.url))


def test_tls_is_declined_where_it_has_none(served: Served) -> None:
    for code in (80877103, 80877104):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(served.directory / f".s.PGSQL.{served.port}"))
            client.sendall((8).to_bytes(4) + code.to_bytes(4))
            assert client.recv(1) == b"N"


def test_jdbc(on_tcp: Served, july: int) -> None:
    if not (JDBC.exists() and shutil.which("java")):
        pytest.skip("java or libpostgresql-jdbc-java is not here")
    url = f"jdbc:postgresql://127.0.0.1:{on_tcp.port}/{on_tcp.lab.warehouse_name}?sslmode=disable"
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-cp", str(JDBC)]
    done = subprocess.run([*command, str(JAVA), url, "served", "pässword"],
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:14] == [f"text {july}", f"timestamp {july}"] * 7, done
    assert re.fullmatch(r"period \d+", lines[14]) and lines[15] == "versions 2"
    assert lines[16].startswith("42601 ERROR: FOR SYSTEM_TIME must go on with"), done


GARBAGE: list[Callable[[], bytes]] = [
    lambda: os.urandom(4000), lambda: bytes(8), lambda: (1 << 30).to_bytes(4) + b"....",
    lambda: b"GET / HTTP/1.1\r\n\r\n", lambda: (7).to_bytes(4) + b"abcd",
]  # fmt: skip


def test_who_talks_garbage_is_dropped_alone(served: Served, bare: Bare, july: int) -> None:
    before = served.memory
    for garbage in GARBAGE:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(served.directory / f".s.PGSQL.{served.port}"))
            client.sendall(garbage())
            assert client.recv(100) == b""
    for said in (b"Q" + (1 << 30).to_bytes(4) + b"SELECT", b"B" + (1 << 30).to_bytes(4), b"Q\0\0\0\3",
                 b"\xff\0\0\0\4", b"Q" + bytes(4), b"d" + bytes(4)):  # fmt: skip
        client = Bare(served.asked)
        client.socket.sendall(said)
        with pytest.raises(ConnectionResetError):
            while True:
                assert client.one()[0] == b"E"
    half = Bare(served.asked)
    half.socket.sendall(b"Q\0\0\0\x99SELECT")  # and says no more
    assert rows(bare.ask(AS_OF)) == [str(july)]
    half.close()
    assert served.memory < before + (20 << 20)


def test_many_idle_connections_are_held(served: Served, bare: Bare, july: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(3000, most - 500)
    before, waiting = served.memory, []
    for _ in range(count):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(served.directory / f".s.PGSQL.{served.port}"))
        waiting.append(client)
    assert rows(bare.ask(AS_OF)) == [str(july)]
    assert served.memory - before < count * 20_000
    for client in waiting:
        client.close()


def test_who_does_not_read_stops_nobody(served: Served, bare: Bare, july: int) -> None:
    slow, before = Bare(served.asked), served.memory
    slow.send((b"Q", b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)\0"))
    time.sleep(1)
    assert rows(bare.ask(AS_OF)) == [str(july)]
    assert served.memory < before + (20 << 20)
    assert len(rows(slow.until_ready())) == 100_000
    slow.close()


@pytest.mark.slow
def test_a_text_that_takes_long_to_read_stops_nobody(served: Served, bare: Bare) -> None:
    slow, done = Bare(served.asked), threading.Event()

    def read() -> None:
        slow.ask("SELECT 'history' FROM (VALUES " + "(1), " * 60_000 + "(1)) AS v LIMIT 1")
        done.set()

    threading.Thread(target=read).start()
    took = []
    while not done.is_set():
        begun = time.monotonic()
        bare.ask("SELECT 1")
        took.append(time.monotonic() - begun)
    assert len(took) >= 5 and max(took) < sum(took) / 2, (len(took), max(took))
    slow.close()


# --- What the book says of it ----------------------------------------------------------------

# The book's table, by its first column: what shows each of its rows.
SHOWN = {
    "psql": (test_psql,),
    "psycopg2, psycopg": (test_psycopg2, test_psycopg),
    "SQLAlchemy with psycopg": (test_sqlalchemy_opens_the_url_that_serve_prints,),
    "asyncpg": (test_asyncpg,),
    "JDBC": (test_jdbc, test_without_serve_an_instant_sent_as_text_needs_a_cast),
    "pgbench": (test_pgbench_in_all_three_modes,),
    "pg_dump, `COPY`, `LISTEN`, replication": (
        test_pg_dump, test_copy_and_notifications, test_psycopg, test_a_replication_connection_passes_unread),
}


def test_the_books_table_has_the_clients_that_are_tried() -> None:
    """And what it says in code of each, as a parameter or a method, is what is tried."""
    page = (ROOT / "book" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| client |")[1].split("\n\n")[0].splitlines()[2:]
    told = dict(line.strip("| ").split(" | ", 1) for line in table)
    assert told.keys() == SHOWN.keys()
    for client, asked in told.items():
        shown = "".join(map(inspect.getsource, SHOWN[client])) + SCRIPT * (client == "psql")
        shown += JAVA.read_text(encoding="utf-8") * (client == "JDBC")
        assert [each for each in re.findall("`(.+?)`", client + asked.replace("?::", "::")) if each not in shown] == []
