"""A source of your own is captured with a reader's rights."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from one_server import directory
from psycopg2.extensions import parse_dsn
from sqlalchemy import URL
from test_commands import REMEDY, command, done, refused, wait_until
from test_errors import another_server
from test_live import asked, following, stopped

from medallion_lib import Medallion, MedallionError, __main__, databases, server
from medallion_lib.source import slot
from medallion_lib.server.embedded import Embedded
from medallion_lib.server import libpq
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(3)

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one")
OWNER, READER = f"shopkeeper_{WORKER}", f"reader_{WORKER}"
PASSWORD = "s3cr/et+of the#shöp"

# A shop that knows nothing of us: its tables have primary keys, and log no more than those.
SHOP = """
CREATE TABLE customer (customer_id integer PRIMARY KEY, store_id integer, first_name text, last_name text,
                       email text, address_id integer, activebool boolean, create_date date, last_update timestamptz);
CREATE TABLE film (film_id integer PRIMARY KEY, title text, description text, release_year integer,
                   language_id integer, original_language_id integer, rental_duration smallint,
                   rental_rate numeric(4, 2), length smallint, replacement_cost numeric(5, 2), rating text,
                   special_features text[]);
CREATE TABLE inventory (inventory_id integer PRIMARY KEY, film_id integer, store_id integer);
CREATE TABLE rental (rental_id integer PRIMARY KEY, rental_date timestamptz, inventory_id integer,
                     customer_id integer, return_date timestamptz, staff_id integer);
CREATE TABLE payment (payment_id integer, customer_id integer, staff_id integer, rental_id integer,
                      amount numeric(5, 2), payment_date timestamptz, PRIMARY KEY (payment_date, payment_id))
    PARTITION BY RANGE (payment_date);
CREATE TABLE payment_old PARTITION OF payment FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE payment_new PARTITION OF payment DEFAULT;
CREATE TABLE unrelated (a integer PRIMARY KEY);

INSERT INTO customer SELECT n, 1, 'First', 'Last ' || n, n || '@example', n, true, '2024-01-01' FROM generate_series(1, 30) AS n;
INSERT INTO film (film_id, title, rental_rate, rating, special_features)
SELECT n, 'Film ' || n, 2.99, 'PG', ARRAY['Trailers'] FROM generate_series(1, 20) AS n;
INSERT INTO inventory SELECT n, 1 + n % 20, 1 FROM generate_series(1, 40) AS n;
INSERT INTO rental SELECT n, '2023-12-01'::timestamptz + n * interval '1 day', n, 1 + n % 30, NULL, 1 FROM generate_series(1, 40) AS n;
INSERT INTO payment SELECT n, 1 + n % 30, 1, n, 2.99, '2023-12-01'::timestamptz + n * interval '1 day' FROM generate_series(1, 40) AS n;
"""
LIVE = """
UPDATE customer SET email = 'live@example' WHERE customer_id = 3;
UPDATE film SET rental_rate = 3.99 WHERE film_id <= 5;
DELETE FROM payment WHERE payment_id IN (1, 40);
INSERT INTO rental VALUES (41, '2024-02-01', 7, 7, NULL, 1);
INSERT INTO payment VALUES (41, 7, 1, 41, 3.99, '2024-02-01');
"""


@dataclass
class Own:
    """A shop of somebody's, the lab that captures from it, and the shop's server."""

    lab: Medallion
    at_server: URL  # as a superuser
    database: str
    reader: URL

    def as_owner(self, statements: str) -> None:
        self._run(self.at_server.set(database=self.database, username=OWNER, password=None), statements)

    def as_superuser(self, statements: str) -> None:
        self._run(self.at_server.set(database=self.database), statements)

    def _run(self, url: URL, statements: str) -> None:
        with databases.administering(url) as cursor:
            cursor.execute(statements)

    def ask(self, query: str) -> object:
        return asked(self.at_server.set(database=self.database), query)

    def slots(self) -> int:
        query = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s"
        return asked(self.at_server, query, self.lab.slot)


@pytest.fixture(scope="module")
def other_server() -> Iterator[Embedded]:
    """A second server, that writes every statement into its log."""
    settings = {"log_statement": "all", "log_connections": "all", "fsync": "off"}
    with directory() as parent, another_server(parent / "home", **settings) as place:
        yield place


def ask_for_passwords(place: Embedded) -> None:
    """Let the reader into this server by password only."""
    rules = place.data / "pg_hba.conf"
    text, rule = rules.read_text(), f"local all {READER} scram-sha-256\n"
    if rule not in text:
        rules.write_text(rule + text)
    with databases.administering(place.url) as cursor:
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SET log_statement = 'none'")
        cursor.execute(f"ALTER ROLE {READER} PASSWORD %s", (PASSWORD,))


@contextmanager
def opened(at_server: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """The shop's database and roles on a server, without a publication; all removed at the end."""
    database = f"shop_{WORKER}"
    with databases.administering(at_server) as cursor:
        cursor.execute(f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {READER} LOGIN REPLICATION")
        cursor.execute(f"CREATE DATABASE {database} OWNER {OWNER}")
    reader = at_server.set(database=database, username=READER, password=PASSWORD)
    monkeypatch.setenv("MEDALLION_SOURCE_URL", libpq(reader))
    lab = Medallion.open(f"own_{WORKER}")
    own = Own(lab, at_server, database, reader)
    own.as_owner(SHOP)
    own.as_owner("GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + READER)
    try:
        yield own
    finally:
        lab.close()
        with databases.administering(at_server) as cursor:
            slot.drop(cursor, lab.slot)
            databases.drop(cursor, database)
            cursor.execute(f"DROP ROLE {OWNER}; DROP ROLE {READER}")
        with databases.administering(lab.place.url) as cursor:
            databases.drop(cursor, lab.warehouse_name)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """On the warehouse's server."""
    with opened(Medallion.open().place.url, monkeypatch) as own:
        yield own


@pytest.fixture
def there(other_server: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """On the other server, which asks for a password."""
    with opened(other_server.url, monkeypatch) as own:
        ask_for_passwords(other_server)
        yield own


@pytest.fixture(params=["here", pytest.param("there", marks=pytest.mark.slow)])
def own(request: pytest.FixtureRequest) -> Own:
    return request.getfixturevalue(request.param)


@pytest.fixture
def ready(there: Own) -> Own:
    """With the publication, and an empty warehouse."""
    there.lab.reset()
    there.as_owner(publication(there))
    return there


def typed(message: str) -> str:
    """What a message says to type: its indented lines."""
    return "\n".join(re.findall(r"^    (.+)$", message, re.MULTILINE))


def told(work: Callable[[], object]) -> str:
    """The message of what must be refused."""
    with pytest.raises(MedallionError) as refusal:
        work()
    assert PASSWORD not in str(refusal.value)
    return str(refusal.value)


def publication(own: Own) -> str:
    """The statements that capture asks the owner for."""
    return typed(told(own.lab.capture))


def all_is_well(own: Own) -> None:
    own.lab.merge()
    assert own.lab.verify() == []
    current_is_the_shops(own)


def current_is_the_shops(own: Own) -> None:
    for silver, source, columns in (
        ("dim_customer", "customer", "customer_id, email"), ("dim_film", "film", "film_id, rental_rate"),
        ("fact_rental_current", "rental", "rental_id, rental_date"), ("fact_payment_current", "payment", "payment_id, amount"),
    ):  # fmt: skip
        rows = "SELECT array_agg(({})::text ORDER BY ({})::text) FROM {}"
        at_source = own.ask(rows.format(columns, columns, source))
        in_silver = asked(own.lab.warehouse_url, rows.format(columns, columns, f"silver.{silver}"))
        assert len(at_source) >= 20
        assert in_silver == at_source


# The way


def test_snapshot_stream_merge_and_verify_with_no_more_than_replication_and_select(own: Own) -> None:
    lab = own.lab
    assert done(lab, "up").startswith("PostgreSQL runs")
    message = refused(lab, "capture")
    assert "permission denied" in message
    assert "As the owner of the tables" in message
    assert own.slots() == 0
    own.as_owner(typed(message))
    assert done(lab, "capture") == "Landed 170 rows of 0 transactions.\n"
    done(lab, "merge")
    current_is_the_shops(own)
    own.as_owner(LIVE)
    own.as_owner("UPDATE customer SET customer_id = 99 WHERE customer_id = 30")
    assert done(lab, "capture") == "Landed 12 rows of 2 transactions.\n"
    done(lab, "merge")
    current_is_the_shops(own)
    assert done(lab, "verify").startswith("Silver's current rows are the source's")
    before = asked(lab.warehouse_url, "SELECT array_agg(f.*::text ORDER BY f.*::text) FROM silver.fact_payment AS f")
    assert done(lab, "rebuild").startswith("Silver was made anew, identical in every row.")
    assert asked(lab.warehouse_url, "SELECT array_agg(f.*::text ORDER BY f.*::text) FROM silver.fact_payment AS f") == before


@pytest.mark.slow
def test_following_it_keeps_silver_current_though_its_reader_is_ended(ready: Own) -> None:
    lab = ready.lab
    lab.capture(merging=True)
    length = "SELECT length FROM silver.dim_film WHERE film_id = 1"
    with following(lab, "--merge") as process:
        ready.as_owner("UPDATE film SET length = 77 WHERE film_id = 1")
        wait_until(lambda: asked(lab.warehouse_url, length) == 77)
        ready.as_superuser("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        ready.as_owner("UPDATE film SET length = 78 WHERE film_id = 1")
        wait_until(lambda: asked(lab.warehouse_url, length) == 78)
        assert "was lost" in stopped(process)


# What is written to it


DUMP = {
    "relations": "SELECT oid, relname, relkind, relowner, relacl, relreplident, relhastriggers, relrowsecurity "
                 "FROM pg_class WHERE oid >= 16384 AND relkind <> 't'",
    "columns": "SELECT attrelid, attname, attnum, atttypid FROM pg_attribute WHERE attrelid >= 16384",
    "functions": "SELECT oid, proname FROM pg_proc WHERE oid >= 16384",
    "triggers": "SELECT oid, tgname FROM pg_trigger",
    "types": "SELECT oid, typname FROM pg_type WHERE oid >= 16384",
    "schemas": "SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'",
    "extensions": "SELECT oid, extname FROM pg_extension",
    "roles": "SELECT oid, rolname, rolsuper, rolreplication, rolconfig FROM pg_roles",
    "settings": "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting",
    "databases": "SELECT oid, datname, datacl FROM pg_database",
    "publications": "SELECT oid, pubname, pubowner, xmin FROM pg_publication",
    "writes": "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables",
}  # fmt: skip
TABLES = ("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
          "AND relkind IN ('r', 'p') AND NOT relispartition")  # fmt: skip


def dump(own: Own) -> dict[str, list[str]]:
    connection = server.connect(own.at_server.set(database=own.database))
    found = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
            rows = {name: f"SELECT t.* FROM {name} AS t" for (name,) in cursor.fetchall()}
            for name, query in (DUMP | rows).items():
                cursor.execute(query)
                found[name] = sorted(map(str, cursor.fetchall()))
    finally:
        connection.close()
    return found


def test_nothing_is_written_to_it_but_slot_and_markers(ready: Own) -> None:
    ready.as_owner(LIVE)
    before = dump(ready)
    assert len(before["payment"]) == 39
    assert before["writes"]
    lab = ready.lab
    for work in (lab.capture, lab.merge, lambda: lab.capture(resnapshot=True, yes=True), lab.merge, lab.verify,
                 lab.rebuild, lab.status, lambda: lab.reset(yes=True), lab.capture):  # fmt: skip
        work()
    assert dump(ready) == before
    slots = "SELECT array_agg(slot_name::text) FROM pg_replication_slots"
    assert ready.ask(slots) == [ready.lab.slot]


@pytest.mark.first(1)
@pytest.mark.parametrize("words", [["replay"], ["reset", "--year"], ["load", "README.md"]])
def test_what_would_write_to_it_is_refused_and_changes_nothing(ready: Own, words: list[str]) -> None:
    ready.lab.capture()
    before, watermark = dump(ready), asked(ready.lab.warehouse_url, "SELECT lsn FROM meta.watermark")
    message = refused(ready.lab, *words)
    assert "The source is your own" in message
    assert f"{' '.join(words[:2]) if words[0] == 'reset' else words[0]} would write to it" in message
    assert typed(message) == f"{REMEDY} --name another reset"
    assert dump(ready) == before
    assert ready.slots() == 1
    assert asked(ready.lab.warehouse_url, "SELECT lsn FROM meta.watermark") == watermark


@pytest.mark.slow
def test_reset_keeps_the_source_drops_our_slot_and_empties_the_warehouse(ready: Own) -> None:
    ready.lab.capture(merging=True)
    before = dump(ready)
    message = refused(ready.lab, "reset")
    assert re.search(r"holds 170 changes captured from the source shop_\w+ since 20\d\d-", message)
    assert "add --yes to the command" in message
    assert ready.slots() == 1
    assert ready.lab.status()["rows"]["silver.fact_rental"] == 40
    assert done(ready.lab, "reset", "--yes") == "Reset: nothing in it yet.\n"
    assert ready.slots() == 0
    assert dump(ready) == before
    assert set(ready.lab.status()["rows"].values()) == {0}
    assert ready.lab.capture().rows == 170


@pytest.mark.slow
def test_a_reset_that_may_not_end_the_slots_reader_has_changed_nothing(makes: Own) -> None:
    """The publication is the owner's, without a comment: that the slot is ours, the warehouse alone knows."""
    makes.as_owner(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE customer, film, inventory, rental, payment "
                   "WITH (publish_generated_columns = stored)")  # fmt: skip
    makes.lab.reset()
    makes.lab.capture(merging=True)
    with slot.replicating(makes.at_server.set(database=makes.database)) as superusers:
        slot.start(superusers, PUBLICATION, 0, PUBLICATION)
        assert "in use" in refused(makes.lab, "reset", "--yes")
        assert "in use" in told(lambda: makes.lab.capture(resnapshot=True, yes=True))
    makes.as_owner(LIVE)
    assert makes.lab.capture().rows == 10, "without a gap"
    all_is_well(makes)
    done(makes.lab, "reset", "--yes")
    assert makes.slots() == 0
    makes.lab.capture(merging=True)
    all_is_well(makes)


def test_history_in_bronze_of_any_schema_is_asked_about(ready: Own) -> None:
    ready.lab.capture(merging=True)
    with server.session(ready.lab.warehouse_url) as cursor:
        cursor.execute("ALTER SCHEMA bronze RENAME TO raw")
    assert re.search(r"holds 170 changes", refused(ready.lab, "reset"))
    with server.session(ready.lab.warehouse_url) as cursor:
        cursor.execute("ALTER SCHEMA raw RENAME TO bronze")
    assert ready.lab.status()["rows"]["silver.fact_rental"] == 40


# `down`, on a server that is nobody's to stop: the other tests' databases are there


def down(own: Own, *words: str) -> str:
    ended = command(own.lab, "down", *words, MEDALLION_SERVER_URL=libpq(own.lab.place.url))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_down_leaves_what_is_needed_to_go_on_and_says_what_it_costs(ready: Own) -> None:
    ready.lab.capture()
    before = dump(ready)
    told = down(ready)
    assert f"A slot {ready.lab.slot} at your source stays, and keeps log" in told
    assert f"{REMEDY} --name {ready.lab.name} down --forget" in told
    assert (dump(ready), ready.slots()) == (before, 1)
    ready.as_owner(LIVE)
    assert ready.lab.capture().rows == 10
    all_is_well(ready)


def test_down_forgets_the_slot_when_told_and_leaves_the_owners_publication(ready: Own) -> None:
    ready.lab.capture()
    message = refused(ready.lab, "down", "--forget", MEDALLION_SERVER_URL=libpq(ready.lab.place.url))
    assert typed(message) == f"{REMEDY} down --forget --yes"
    assert ready.slots() == 1
    told_of_it = down(ready, "--forget", "--yes")
    assert "The slot is gone from your source, and the publication if this role owned it" in told_of_it
    assert f"{REMEDY} --name {ready.lab.name} capture --resnapshot" in told_of_it
    assert ready.slots() == 0
    assert ready.ask("SELECT count(*) FROM pg_publication") == 1
    assert "No replication slot" in told(ready.lab.capture)
    ready.lab.capture(resnapshot=True, yes=True)


def test_what_a_terminal_asks_about_names_the_warehouse_too(
    ready: Own, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.lab.capture()
    typing = io.StringIO("n\n")
    monkeypatch.setattr(typing, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typing)
    with pytest.raises(MedallionError, match="The answer was not y"):
        __main__.down(ready.lab, forget=True, yes=False)
    assert capsys.readouterr().err.endswith(
        f"\n    {REMEDY} --name {ready.lab.name} down --forget --yes\nDo it? y or yes: ")
    assert ready.slots() == 1


@pytest.mark.slow
def test_down_forgets_a_publication_that_our_role_made(here: Own) -> None:
    here.as_superuser(f"GRANT {OWNER} TO {READER}; GRANT CREATE ON DATABASE {here.database} TO {READER}")
    here.lab.reset()
    here.lab.capture()
    made = f"SELECT count(*) FROM pg_publication WHERE pubowner = '{READER}'::regrole"
    assert here.ask(made) == 1
    down(here, "--forget", "--yes")
    assert here.slots() == 0
    assert here.ask("SELECT count(*) FROM pg_publication") == 0
    here.lab.capture(resnapshot=True, yes=True)


def test_what_was_captured_from_it_is_not_dropped_by_who_forgot_to_name_it(
    ready: Own, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The warehouse knows its source without MEDALLION_SOURCE_URL, and loads nothing into it."""
    ready.lab.capture(merging=True)
    monkeypatch.delenv("MEDALLION_SOURCE_URL")
    (tmp_path / "dump.sql").write_text("no dump")
    message = refused(ready.lab, "reset")
    assert "no password supplied" in message and "export PGPASSWORD" in message
    told_of_it = refused(ready.lab, "reset", PGPASSWORD=PASSWORD)
    assert "170 changes captured from the source" in told_of_it
    for words in (["reset", "--year"], ["load", str(tmp_path / "dump.sql")]):
        assert "The source is your own" in refused(ready.lab, *words)
    assert ready.slots() == 1
    assert asked(ready.lab.warehouse_url, "SELECT count(*) FROM silver.fact_rental") == 40
    monkeypatch.setenv("MEDALLION_SOURCE_URL", libpq(ready.reader))
    all_is_well(ready)


def test_the_source_is_the_one_named_when_the_lab_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDALLION_SOURCE_URL", "postgresql://me@/first")
    lab = Medallion.find("when_opened")
    monkeypatch.setenv("MEDALLION_SOURCE_URL", "postgresql://me@/second")
    assert lab.source_url.database == "first"


@pytest.mark.slow
def test_down_stops_our_server_though_the_source_does_not_answer(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
    place = Embedded(parent / "home")
    try:
        place.start()
        gone = f"postgresql://me:{'x' * 9}@/shop?host={parent}"
        message = refused(None, "down", "--forget", "--yes", MEDALLION_SOURCE_URL=gone)
        assert place.running()
        assert command(None, "down", MEDALLION_SOURCE_URL=gone).returncode == 0
        assert "No connection to" in message
        assert "MEDALLION_SOURCE_URL" in message
        assert "x" * 9 not in message
        assert not place.running()
    finally:
        place.stop()


# What it needs, and is told it lacks


@dataclass
class Lack:
    """How it comes about, what is said of it, and who mends it: as told, or in words of our own."""

    made: str  # as a superuser
    told: str
    mended_by: str
    in_words: str = ""


LACKS = {
    "replication": Lack(f"ALTER ROLE {READER} NOREPLICATION", f"Role {READER} may not read the log", "superuser"),
    "select": Lack(f"REVOKE SELECT ON film FROM {READER}", f"Role {READER} may not read public.film", "owner"),
    "usage": Lack("REVOKE USAGE ON SCHEMA public FROM PUBLIC", f"Role {READER} may not use schema public", "superuser"),
    "row security": Lack("ALTER TABLE customer ENABLE ROW LEVEL SECURITY",
                         f"Row security hides rows of public.customer from role {READER}", "superuser"),
    "identity": Lack("ALTER TABLE rental REPLICA IDENTITY NOTHING",
                     "It would not log which row of rental a change is of", "owner"),
    "a partition's identity": Lack("ALTER TABLE payment_new REPLICA IDENTITY NOTHING",
                                   "It would not log which row of payment_new a change is of", "owner"),
    "a table": Lack("ALTER TABLE inventory RENAME TO stock", "It has no table public.inventory. Create it",
                    "owner", "ALTER TABLE stock RENAME TO inventory"),
    "heirs": Lack("CREATE TABLE more_films () INHERITS (film)", "Table public.film has tables that inherit from it",
                  "superuser", "DROP TABLE more_films"),
}  # fmt: skip


@pytest.mark.first(2)
@pytest.mark.parametrize("name", LACKS)
def test_what_it_lacks_is_told_and_the_remedy_works_as_written(ready: Own, name: str) -> None:
    lack, lab = LACKS[name], ready.lab
    lab.capture()
    ready.as_superuser(lack.made)
    before = dump(ready)
    for work in (lab.reset, lambda: lab.capture(resnapshot=True, yes=True)):
        message = told(work)
        assert "can't be captured yet" in message
        assert lack.told in message
    assert dump(ready) == before
    assert ready.slots() == 1, "refused before the slot is touched"
    assert bool(typed(message)) is not bool(lack.in_words)
    statement = typed(message) or lack.in_words
    (ready.as_owner if lack.mended_by == "owner" else ready.as_superuser)(statement)
    ready.as_owner(LIVE)
    lab.capture(resnapshot=True, yes=True)
    all_is_well(ready)


def test_all_that_it_lacks_is_told_at_once_to_a_person(ready: Own) -> None:
    for lack in LACKS.values():
        ready.as_superuser(lack.made)
    message = refused(ready.lab, "reset").replace("of public.", "of ")
    assert [lack.told for lack in LACKS.values() if lack.told.replace("of public.", "of ") not in message] == []


@pytest.mark.slow
def test_no_room_for_a_slot_or_for_a_reader_is_told_before_anything_is_made(there: Own) -> None:
    there.lab.reset()
    with ExitStack() as held:
        with suppress(MedallionError):
            while True:
                held.enter_context(slot.replicating(there.at_server))
        there.as_superuser(FILLED)
        for work in (there.lab.reset, there.lab.capture):
            message = told(work)
            assert "no room for a slot: all replication slots are in use; nobody reads unread_1, unread_10, " in message
            assert "no room for one more reader of its log" in message
            assert typed(message) == ("ALTER SYSTEM SET max_replication_slots = 80;  -- then restart the server\n"
                                      "ALTER SYSTEM SET max_wal_senders = 80;  -- then restart the server")  # fmt: skip
    there.as_superuser("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name ~ '^unread'")
    assert names(there) == ([], [])
    there.as_owner(publication(there))
    there.lab.capture(merging=True)
    all_is_well(there)


FILLED = """
SELECT pg_create_physical_replication_slot('unread_' || n)
FROM generate_series(1, current_setting('max_replication_slots')::integer - (SELECT count(*) FROM pg_replication_slots)) AS n
"""


def test_a_hosted_servers_role_needs_a_membership_and_what_still_reads_no_log_is_told(there: Own) -> None:
    """Where there is a role rds_replication, no role has REPLICATION. This server, which needs that, refuses on."""
    there.as_superuser(f"CREATE ROLE rds_replication; ALTER ROLE {READER} NOREPLICATION")
    try:
        message = told(there.lab.reset)
        assert typed(message) == f"GRANT rds_replication TO {READER};"
        there.as_superuser(typed(message))
        message = told(there.lab.reset)
        assert "reads its log:\n    " in message
        assert "REPLICATION attribute" in message
    finally:
        there.as_superuser("DROP ROLE rds_replication")


def test_a_server_older_than_14_is_told_by_its_version(here: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this one were."""
    here.lab.reset()
    monkeypatch.setattr(slot, "OLDEST", 19)
    for work in (here.lab.reset, here.lab.capture):
        message = told(work)
        assert "It is PostgreSQL 18." in message
        assert "; 19 or newer is needed. Upgrade it, or name another." in message
    assert names(here) == ([], [])


POOLER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def pooled(source: URL, place: Embedded) -> Iterator[URL]:
    """The same source through PgBouncer, which keeps its files in a home."""
    assert place._have(place.home)
    users, log, pid, settings = (place.home / f"pooler.{name}" for name in ("txt", "log", "pid", "ini"))
    users.write_text(f'"{source.username}" ""\n')
    settings.write_text(f"[databases]\n* = host={source.query['host']}\n[pgbouncer]\nlisten_port = 6432\nlisten_addr =\n"
                        f"unix_socket_dir = {place.home}\nauth_type = trust\nauth_file = {users}\n"
                        f"logfile = {log}\npidfile = {pid}\n")  # fmt: skip
    assert place._run(POOLER, "-d", str(settings)).returncode == 0
    try:
        wait_until((place.home / ".s.PGSQL.6432").exists)
        yield source.set(password=None, query={"host": str(place.home), "port": "6432"})
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.skipif(POOLER is None, reason="there is no PgBouncer here")
def test_a_pooler_in_place_of_the_server_is_told(makes: Own, parent: Path) -> None:
    """PgBouncer answers what needs no log; nothing is made through it."""
    makes.lab.reset()
    with pooled(makes.reader, Embedded(parent / "home")) as url:
        assert asked(url, "SELECT count(*) FROM film") == 20
        for words in (["reset"], ["capture"]):
            message = refused(makes.lab, *words, MEDALLION_SOURCE_URL=libpq(url))
            assert "reads its log:\n    " in message
            assert "unsupported startup parameter: replication" in message
            assert "name the server itself" in message
    assert names(makes) == ([], [])
    makes.lab.capture(merging=True)
    all_is_well(makes)


def test_a_name_too_long_for_bronze_is_told(ready: Own) -> None:
    for size in (56, 57):
        name = "x" * size
        ready.as_owner(f"CREATE TABLE {name} (id integer PRIMARY KEY); GRANT SELECT ON {name} TO {READER}")
        with databases.administering(ready.reader) as cursor:
            check = partial(slot.preflight, cursor, ready.reader, [Table(name, ("id",))])
            if size == 56:
                check()
            else:
                message = told(check)
    assert f"The name public.{name} is too long to capture: 56 bytes at most." in message


@pytest.mark.slow
def test_a_database_in_sql_ascii_is_told(there: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    there.as_superuser("CREATE DATABASE in_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    monkeypatch.setenv("MEDALLION_SOURCE_URL", libpq(there.reader.set(database="in_ascii")))
    assert "Its encoding is SQL_ASCII" in refused(there.lab, "reset")
    there.as_superuser("DROP DATABASE in_ascii")


@pytest.mark.slow
def test_its_servers_level_of_wal_and_a_standby_are_told(
    other_server: Embedded, there: Own
) -> None:
    there.lab.reset()
    there.as_owner(publication(there))
    with databases.administering(there.at_server) as cursor:
        cursor.execute("ALTER SYSTEM SET wal_level = 'replica'")
    restart(other_server)
    message = told(there.lab.reset)
    assert "Its wal_level is replica; capture needs logical" in message
    assert "standby" not in message
    there.as_superuser(typed(message))
    assert "then restart the server" in message
    restart(other_server)
    there.lab.reset()
    signal = other_server.data / "standby.signal"
    signal.touch()
    try:
        restart(other_server)
        message = told(there.lab.reset)
        assert "It is a standby, which takes no marker messages. Name its primary." in message
        assert "wal_level" not in message
    finally:
        other_server.stop()
        signal.unlink()
        other_server.start()
    there.lab.reset()
    there.lab.capture()
    all_is_well(there)


@pytest.mark.slow
def test_a_source_restored_from_before_what_bronze_has_is_told_and_a_new_snapshot_repairs_it(
    other_server: Embedded, ready: Own
) -> None:
    lab = ready.lab
    lab.capture(merging=True)
    other_server.stop()
    data, copy = other_server.data, other_server.home / "copy"
    assert other_server._run("cp", "-a", str(data), str(copy)).returncode == 0
    other_server.start()
    ready.as_owner(LIVE)
    ready.as_owner("CREATE TABLE filler AS SELECT repeat('x', 500) FROM generate_series(1, 2000)")
    lab.capture(merging=True)
    lab.close()
    other_server.stop()
    shutil.rmtree(data)
    copy.rename(data)
    other_server.start()
    position = asked(lab.warehouse_url, "SELECT lsn FROM meta.watermark WHERE stage = 'capture'")
    message = refused(lab, "capture")
    assert re.search(r"The source's log ends at 0/\w+, before 0/\w+, where bronze ends", message)
    assert typed(message) == f"{REMEDY} capture --resnapshot"
    assert asked(lab.warehouse_url, "SELECT lsn FROM meta.watermark WHERE stage = 'capture'") == position
    lab.capture(resnapshot=True, yes=True)
    all_is_well(ready)
    rates = "SELECT array_agg(rental_rate::float ORDER BY sys_start) FROM silver.dim_film_hist WHERE film_id = 1"
    assert asked(lab.warehouse_url, rates) == [2.99, 3.99, 2.99], "what the source has lost is kept"


@pytest.mark.slow
def test_another_source_whose_log_is_shorter_is_told_and_a_new_snapshot_takes_it_over(
    here: Own, there: Own
) -> None:
    here.lab.reset()
    here.as_owner(publication(here))
    end = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
    while here.ask(end) <= there.ask(end):
        here.as_superuser("SELECT pg_logical_emit_message(false, 'filler', ''), pg_switch_wal()")
    here.lab.capture(merging=True)
    here.as_owner(LIVE)
    here.lab.capture(merging=True)
    current_is_the_shops(here)
    message = told(there.lab.capture)
    assert f"This source ({there.database}) is not the one that bronze was captured from" in message
    assert typed(message) == f"{REMEDY} capture --resnapshot"
    there.as_owner(typed(told(lambda: there.lab.capture(resnapshot=True, yes=True))))
    there.lab.capture(resnapshot=True, yes=True)
    all_is_well(there)
    there.as_owner("UPDATE customer SET email = 'there@example' WHERE customer_id = 3")
    assert there.lab.capture().rows == 1
    all_is_well(there)
    mails = "SELECT array_agg(email ORDER BY sys_start) FROM silver.dim_customer_hist WHERE customer_id = 3"
    assert asked(there.lab.warehouse_url, mails) == ["3@example", "live@example", "3@example", "there@example"]
    assert not any(table.lost or table.gained for table in there.lab.rebuild())


def restart(place: Embedded) -> None:
    place.stop()
    place.start()


# Publication


PUBLICATION = f"medallion_own_{WORKER}"  # the lab's name, as its slot has it


@pytest.mark.first(1)
@pytest.mark.parametrize("change", [
    "DROP TABLE film", "ADD TABLE unrelated", "SET (publish = 'insert')", "SET (publish_via_partition_root)",
    "SET TABLE film WHERE (film_id > 5), customer, inventory, rental, payment", "",
])  # fmt: skip
def test_a_publication_that_its_owner_altered_is_asked_of_the_owner_again(ready: Own, change: str) -> None:
    ready.lab.capture()
    ready.as_owner(f"ALTER PUBLICATION {PUBLICATION} {change}" if change else f"DROP PUBLICATION {PUBLICATION}")
    message = told(ready.lab.capture)
    assert ("was altered since capture began" if change else f'No publication "{PUBLICATION}"') in message
    assert typed(message) == f"{REMEDY} capture --resnapshot"
    message = told(lambda: ready.lab.capture(resnapshot=True, yes=True))
    assert "The publication could not be made" in message
    assert ready.slots() == 1
    ready.as_owner(typed(message))
    ready.as_owner(LIVE)
    ready.lab.capture(resnapshot=True, yes=True)
    all_is_well(ready)


def names(own: Own) -> tuple[list[str], list[str]]:
    """The publications and slots that are there."""
    return (own.ask("SELECT coalesce(array_agg(pubname::text ORDER BY pubname), '{}') FROM pg_publication"),
            own.ask("SELECT coalesce(array_agg(slot_name::text ORDER BY slot_name), '{}') FROM pg_replication_slots "
                    "WHERE database = current_database()"))  # fmt: skip


@pytest.fixture
def makes(here: Own) -> Own:
    """Whose reader may make publications itself."""
    here.as_superuser(f"GRANT {OWNER} TO {READER}; GRANT CREATE ON DATABASE {here.database} TO {READER}")
    return here


@pytest.mark.slow
def test_two_warehouses_of_other_tables_keep_out_of_each_others_way(makes: Own) -> None:
    own = Tables((Table("unrelated", ("a",)),))
    first, second = makes.lab, Medallion.open(f"second_{WORKER}", tables=own)
    try:
        first.reset()
        first.capture(merging=True)
        second.reset()
        second.capture()
        assert names(makes) == ([PUBLICATION, second.slot],) * 2
        makes.as_owner(LIVE + "INSERT INTO unrelated VALUES (1)")
        assert second.capture().rows == 1
        assert first.capture().rows == 10
        all_is_well(makes)
        assert second.verify() == []
        second.drop()
        assert names(makes) == ([PUBLICATION, second.slot], [PUBLICATION])
        makes.as_owner("UPDATE customer SET email = 'alone@example' WHERE customer_id = 4")
        assert first.capture().rows == 1
    finally:
        second.close()
        with databases.administering(second.place.url) as cursor:
            databases.drop(cursor, second.warehouse_name)


STRANGERS = {
    "publication": (f"CREATE PUBLICATION {PUBLICATION} FOR TABLE unrelated",
                    f'This source has a publication "{PUBLICATION}" that was not made for this warehouse'),
    "slot": (f"SELECT pg_create_logical_replication_slot('{PUBLICATION}', 'pgoutput')",
             f'The server has a replication slot "{PUBLICATION}" that this warehouse did not make'),
    "marked": (f"CREATE PUBLICATION {PUBLICATION} FOR TABLE customer, film, inventory, rental, payment "
               f"WITH (publish_generated_columns = stored); COMMENT ON PUBLICATION {PUBLICATION} IS 'For another.'",
               f'This source has a publication "{PUBLICATION}" that was not made for this warehouse'),
}  # fmt: skip


@pytest.mark.first(1)
@pytest.mark.parametrize("kind", STRANGERS)
def test_a_strangers_publication_or_slot_of_our_name_is_told_and_left(makes: Own, kind: str) -> None:
    made, problem = STRANGERS[kind]
    typing = makes.as_superuser if kind == "slot" else makes.as_owner
    typing(made)
    before = names(makes), makes.ask("SELECT array_agg(xmin::text) FROM pg_publication")
    makes.lab.reset()
    message = refused(makes.lab, "capture")
    assert problem in message
    assert f"{REMEDY} --name another reset" in message
    done(makes.lab, "reset")
    down(makes)
    assert (names(makes), makes.ask("SELECT array_agg(xmin::text) FROM pg_publication")) == before
    typing(re.search(r"(COMMENT ON|SELECT pg_drop).*;", message)[0])
    makes.lab.capture(merging=True)
    all_is_well(makes)


def test_a_slot_of_our_name_in_another_database_is_told_and_left(makes: Own) -> None:
    with databases.administering(makes.at_server) as cursor:
        cursor.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (makes.lab.slot,))
        makes.lab.reset()
        assert "that this warehouse did not make" in told(makes.lab.capture)
        assert makes.slots() == 1
        cursor.execute("SELECT pg_drop_replication_slot(%s)", (makes.lab.slot,))
    makes.lab.capture()


@pytest.mark.slow
def test_a_capture_begun_by_an_earlier_version_goes_on_without_a_gap(
    ready: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named every publication medallion, without a comment, and kept no tables."""
    ready.as_owner(f"DROP PUBLICATION {PUBLICATION}")
    with monkeypatch.context() as earlier:
        earlier.setattr(slot, "named", lambda *_: "medallion")
        ready.as_owner(re.sub("COMMENT ON.*", "", publication(ready)))
        ready.lab.capture(merging=True)
        with server.session(ready.lab.warehouse_url) as cursor:
            cursor.execute("DROP TABLE meta.warehouse; ALTER TABLE meta.watermark DROP names")
    ready.as_owner(LIVE)
    assert typed(told(ready.lab.capture)) == f"{REMEDY} upgrade"
    ready.lab.upgrade()
    assert ready.lab.capture().rows == 10
    all_is_well(ready)
    assert names(ready) == (["medallion"], [PUBLICATION])
    ready.as_owner(typed(told(lambda: ready.lab.capture(resnapshot=True, yes=True))))
    ready.lab.capture(resnapshot=True, yes=True)
    all_is_well(ready)
    assert names(ready) == (["medallion", PUBLICATION], [PUBLICATION])


# Passwords


@pytest.mark.slow
def test_no_password_appears_anywhere(other_server: Embedded, ready: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, shown = ready.lab, []

    def tell(*words: str, **environment: str) -> int:
        ended = command(lab, *words, **environment)
        shown.append(ended.stdout + ended.stderr)
        return ended.returncode

    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(libpq(ready.reader.set(password="wrong")))
    for words in (["up"], ["capture"], ["merge"], ["status"], ["status", "--json"], ["url", "source"],
                  ["url", "warehouse"], ["verify"], ["rebuild"], ["reset", "--yes"]):  # fmt: skip
        assert tell(*words) == 0, shown
    assert parse_dsn(shown[5].strip()) == {"user": READER, "dbname": ready.database, "host": str(other_server.socket_dir)}
    assert tell("replay") == 1
    ready.as_owner(f"REVOKE SELECT ON film FROM {READER}")
    assert tell("reset", "--yes") == 1
    ready.as_owner(f"GRANT SELECT ON film TO {READER}")
    wrong, elsewhere = ready.reader.set(password=PASSWORD[:-1]), ready.reader.set(query={"host": "/nowhere"})
    for url in (wrong, elsewhere, ready.reader.set(database="missing")):
        assert tell("capture", MEDALLION_SOURCE_URL=libpq(url)) == 1
    in_query = ready.reader.set(password=None).update_query_dict({"password": PASSWORD})
    for words, status in ((["status"], 0), (["url", "source"], 0), (["replay"], 1)):
        assert tell(*words, MEDALLION_SOURCE_URL=libpq(in_query)) == status, shown
    assert tell("reset", MEDALLION_SOURCE_URL="postgresql://me:" + PASSWORD + "@host:port/x") == 1
    shown += [(place.home / "server.log").read_text() for place in (other_server, lab.place)]
    assert all(shown)
    assert "CREATE_REPLICATION_SLOT" in shown[-2], "its log has every statement"
    encoded = [libpq(url).split(":")[2].split("@")[0] for url in (ready.reader, wrong)]
    for secret in (PASSWORD, PASSWORD[:-1], *encoded, "s3cr"):
        assert [text for text in shown if secret in text] == []


@pytest.mark.slow
def test_a_text_that_unicode_lacks_is_told_and_the_remedy_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a database that is not in UTF-8; the byte 81 is none of WIN1252's characters, and it takes it."""
    at, name = Medallion.open().place.url, f"win1252_{WORKER}"
    with databases.administering(at) as cursor:
        cursor.execute(f"CREATE DATABASE {name} ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("MEDALLION_SOURCE_URL", libpq(at.set(database=name)))
    lab = Medallion.open(name)
    try:
        with databases.administering(lab.source_url) as shop:
            shop.execute(SHOP)
            lab.reset()
            lab.capture()
            shop.execute("UPDATE film SET title = 'grün' WHERE film_id = 1")
            shop.execute("UPDATE film SET title = chr(129) WHERE film_id = 2")
            for words in (["capture"], ["capture", "--resnapshot", "--yes"]):
                message = refused(lab, *words)
                assert 'byte sequence 0x81 in encoding "WIN1252" has no equivalent in encoding "UTF8"' in message
                assert typed(message) == f"{REMEDY} capture --resnapshot"
            shop.execute("UPDATE film SET title = 'Two' WHERE film_id = 2")
            lab.capture(resnapshot=True, merging=True, yes=True)
            assert lab.verify() == []
            titles = "SELECT array_agg(title ORDER BY film_id) FROM silver.dim_film WHERE film_id < 3"
            assert asked(lab.warehouse_url, titles) == ["grün", "Two"]
            slot.drop(shop, lab.slot)
    finally:
        lab.close()
        with databases.administering(at) as cursor:
            databases.drop(cursor, name)
            databases.drop(cursor, lab.warehouse_name)
