"""A warehouse keeps the tables it began with.

That holds whatever tables a process declares.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import forked
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import BASE
from test_commands import REMEDY
from test_live import asked

from medallion_lib import Medallion, MedallionError, databases, server, tables
from medallion_lib.shop import star
from medallion_lib.tables import Captured, Versioned

pytestmark = pytest.mark.long(2)

CAPTURED, VERSIONED = tables.CAPTURED, tables.VERSIONED
PEOPLE = f"""{BASE};
    INSERT INTO customer (store_id, first_name, last_name, address_id) SELECT 1, 'N', n, 1 FROM generate_series(1, 9) AS n;
    INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 FROM generate_series(1, 9) AS n
"""


def run(lab: Medallion, *transactions: str) -> None:
    """Each in a transaction of its own, at the source."""
    for statements in transactions:
        with server.session(lab.source_url) as cursor:
            cursor.execute(statements)


def rows(lab: Medallion, query: str) -> list[tuple]:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def refused(work: object, *words: object, **options: object) -> str:
    with pytest.raises(MedallionError) as caught:
        work(*words, **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is forgotten after it."""
    for name, value in (("CAPTURED", CAPTURED), ("VERSIONED", VERSIONED), ("FURTHER", {})):
        monkeypatch.setattr(tables, name, value)


@pytest.fixture
def shop(lab: Medallion) -> Medallion:
    """A few people and films, captured and merged."""
    run(lab, PEOPLE)
    lab.capture(merging=True)
    return lab


# Two tables of one name, in two schemas

PLACES = ("crm", "far")
CLIENT = """
CREATE SCHEMA {0};
CREATE TABLE {0}.client (id integer PRIMARY KEY, v text, long text STORAGE EXTERNAL);
INSERT INTO {0}.client VALUES (1, '{0} 1', repeat('{0}', 1000)), (2, '{0} 2', ''), (3, '{0} 3', '')
"""
LIFE = (  # by the key alone: the old rows are looked up in bronze
    "UPDATE {0}.client SET v = '{0} edited' WHERE id = 1",
    "UPDATE {0}.client SET id = 9 WHERE id = 1; DELETE FROM {0}.client WHERE id = 2",
    "TRUNCATE {0}.client; INSERT INTO {0}.client VALUES (4, '{0} 4', repeat('{0}', 1000))",
    "UPDATE {0}.client SET v = '{0} last'; INSERT INTO {0}.client VALUES (5, NULL, '')",
)
SILVER = """
CREATE SCHEMA IF NOT EXISTS silver_{0};
CREATE TABLE silver_{0}.client_hist (id integer, v text, long text, row_hash bigint, sys_start timestamptz,
                                     sys_end timestamptz DEFAULT 'infinity')
"""


@pytest.fixture
def namesakes(lab: Medallion, tmp_path: Path) -> Medallion:
    """Both captured and versioned, and empty."""
    for place in PLACES:
        (tmp_path / f"{place}.sql").write_text(SILVER.format(place))
        tables.FURTHER[place] = str(tmp_path / place)
        tables.CAPTURED += (Captured("client", ("id",), place, f"bronze_{place}"),)
        tables.VERSIONED += (Versioned("client_hist", "client", "id", schema=f"silver_{place}",
                                       events=(f"bronze_{place}", "br_client_cdc")),)  # fmt: skip
    with databases.administering(lab.place.url) as cursor:
        databases.drop(cursor, lab.warehouse_name)
        databases.create(cursor, lab.warehouse_name)
    databases.build_warehouse(lab.warehouse_url)
    run(lab, *map(CLIENT.format, PLACES))
    return lab


def test_two_tables_of_one_name_are_captured_merged_verified_rebuilt_and_counted(namesakes: Medallion) -> None:
    lab = namesakes
    lab.capture()
    for step in LIFE:
        run(lab, "; ".join(map(step.format, PLACES)))
        lab.capture()
    for place, other in (PLACES, PLACES[::-1]):
        changes = rows(lab, f"SELECT op, full_row ->> 'id', left(full_row ->> 'v', 3) FROM bronze_{place}.br_client_cdc "
                            "ORDER BY lsn, seq")  # fmt: skip
        assert "".join(op for op, _, _ in changes) == "RRRUDIDTIUI"
        assert {value for _, _, value in changes} == {place, None}
        longs = rows(lab, f"SELECT DISTINCT full_row ->> 'long' FROM bronze_{place}.br_client_cdc WHERE op <> 'T'")
        assert sorted(longs) == [("",), (place * 1000,)], f"nothing of {other}"
    merged = {each.table: each.events for each in lab.merge()}
    assert merged["silver_crm.client_hist"] == merged["silver_far.client_hist"] == 11
    assert lab.verify() == []
    counts = lab.status()["rows"]
    for place in PLACES:
        assert counts[f"bronze_{place}.br_client_cdc"] == 11
        assert counts[f"silver_{place}.client_hist"] == rows(lab, f"SELECT count(*) FROM silver_{place}.client_hist")[0][0] == 8
    run(lab, "UPDATE crm.client SET v = 'crm alone' WHERE id = 4")
    assert lab.verify() == []
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE silver_far.client_hist SET v = 'wrong' WHERE id = 4 AND sys_end = 'infinity'")
    assert lab.verify() == ['silver_far.client_hist, id 4: v is "far last" at the source, "wrong" in silver']
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE silver_far.client_hist SET v = 'far last' WHERE id = 4 AND sys_end = 'infinity'")
    rebuilt = {name: counts for name, *counts in lab.rebuild()}
    assert rebuilt["silver_crm.client_hist"] == [9, 0, 0]
    assert rebuilt["silver_far.client_hist"] == [8, 0, 0]
    assert lab.verify() == []


def test_a_history_is_named_with_its_schema_where_another_has_its_name(namesakes: Medallion) -> None:
    namesakes.capture(merging=True)
    for place in PLACES:
        assert f'INSERT INTO "silver_{place}"."client_hist"' in namesakes.merge_statement(f"silver_{place}.client_hist")
    told = refused(namesakes.merge_statement, "client_hist")
    assert told.endswith("Name one with its schema: silver_crm.client_hist, silver_far.client_hist.")
    assert namesakes.merge_statement("silver.fact_rental") == namesakes.merge_statement("fact_rental")
    assert "client_hist is the name of several tables" in refused(namesakes.life, "client_hist", 1)


def test_two_tables_that_would_share_one_bronze_are_refused(lab: Medallion) -> None:
    run(lab, *map(CLIENT.format, PLACES))
    tables.CAPTURED += tuple(Captured("client", ("id",), place) for place in PLACES)
    told = refused(lab.capture, resnapshot=True)
    assert "Changes of crm.client and of far.client would land in one table, bronze.br_client_cdc." in told
    lab.capture()  # as before
    tables.CAPTURED = (*CAPTURED, Captured("client", ("id",), "crm"), Captured("client", ("id",), "far", "bronze_of_its_own"))
    lab.capture(resnapshot=True)
    for place, bronze in zip(PLACES, ("bronze", "bronze_of_its_own"), strict=True):
        assert rows(lab, f"SELECT DISTINCT left(full_row ->> 'v', 3) FROM {bronze}.br_client_cdc WHERE op = 'R'") == [(place,)]


# A process that declares more than the warehouse has, or less


def edit(lab: Medallion, text: str) -> None:
    run(lab, f"UPDATE customer SET email = '{text}'; UPDATE address SET district = '{text}'")


def behind(lab: Medallion, star_too: bool) -> list[str]:
    """What silver has otherwise than the source, asked without capture or verify."""
    pairs = {"silver.dim_customer": "customer"} | ({"silver_star.address": "address"} if star_too else {})
    columns = {"customer": "customer_id, email", "address": "address_id, district"}
    query = "SELECT array_agg(({0})::text ORDER BY ({0})::text) FROM {1}"
    return [silver for silver, source in pairs.items()
            if asked(lab.warehouse_url, query.format(columns[source], silver))
            != asked(lab.source_url, query.format(columns[source], source))]  # fmt: skip


def test_a_lab_that_captures_goes_on_when_the_process_declares_more(shop: Medallion) -> None:
    lab = shop
    before = rows(lab, "SELECT slot, publication FROM meta.watermark WHERE stage = 'capture'")
    star.add()
    edit(lab, "more@declared")
    assert lab.capture().rows > 0
    lab.merge()
    assert behind(lab, False) == []
    assert lab.verify() == []
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}
    status = lab.status()
    assert status["not_captured_yet"].split(", ") == list(star.KEYS)
    assert "silver_star.address_hist" in status["not_in_silver_yet"]
    assert "not captured yet            country, city, address" in str(status)
    assert not any("star" in name for name in status["rows"])
    assert rows(lab, "SELECT slot, publication FROM meta.watermark WHERE stage = 'capture'") == before
    assert rows(lab, "SELECT FROM pg_namespace WHERE nspname LIKE '%star%'") == []


def test_tables_declared_later_come_in_with_a_snapshot_and_a_rebuild(shop: Medallion) -> None:
    lab = shop
    star.add()
    lab.capture(resnapshot=True)
    edit(lab, "once@captured")
    lab.capture(merging=True)
    assert behind(lab, False) == []
    assert "not_captured_yet" not in lab.status()
    assert "not_in_silver_yet" in lab.status()
    addresses = asked(lab.source_url, "SELECT count(*) FROM address")
    ops = "SELECT op, count(*) FROM bronze_star.br_address_cdc GROUP BY op ORDER BY op"
    assert rows(lab, ops) == [("R", addresses), ("T", 1), ("U", addresses)]
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}
    assert "not_in_silver_yet" not in lab.status()
    assert rows(lab, "SELECT count(*) FROM silver_star.address_hist") == [(2 * addresses,)]
    assert behind(lab, True) == lab.verify() == []
    with lab.warehouse.connect() as reader:  # as the notebooks' role
        assert reader.exec_driver_sql("SELECT count(*) FROM bronze_star.br_address_cdc").scalar_one() > addresses


def test_a_process_that_declares_less_captures_and_merges_what_the_warehouse_has(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as declared:
        for name in ("CAPTURED", "VERSIONED", "FURTHER"):
            declared.setattr(tables, name, {} if name == "FURTHER" else getattr(tables, name))
        star.add()
        lab.reset()
        run(lab, PEOPLE)
        lab.capture()
    assert len(tables.CAPTURED) == 5
    assert {each.table for each in lab.merge()} >= {"dim_customer_hist", "silver_star.address_hist"}
    edit(lab, "less@declared")
    lab.capture(merging=True)
    assert behind(lab, True) == lab.verify() == []
    assert {each.table for each in lab.rebuild()} == {each.name for each in VERSIONED}, "the rest is left"
    edit(lab, "after@rebuild")
    lab.capture(merging=True)
    assert behind(lab, True) == lab.verify() == []
    star.add()
    assert lab.merge()[0].events == 0
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}


def as_an_earlier_version_left_it(lab: Medallion) -> None:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("ALTER TABLE meta.watermark DROP COLUMN tables")


def test_asking_a_warehouse_of_an_earlier_version_writes_nothing(shop: Medallion) -> None:
    lab = shop
    columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'meta.watermark'::regclass AND NOT attisdropped"
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("ALTER TABLE meta.watermark DROP COLUMN names, DROP COLUMN tables")
    lab.status()
    assert not {("names",), ("tables",)} & {*rows(lab, columns)}
    edit(lab, "again@written")
    lab.capture(merging=True)
    assert {("names",), ("tables",)} <= {*rows(lab, columns)}
    assert lab.verify() == []


def test_a_warehouse_of_an_earlier_version_goes_on_and_a_table_not_known_is_told(shop: Medallion) -> None:
    lab = shop
    edit(lab, "earlier@version")
    as_an_earlier_version_left_it(lab)
    before = rows(lab, "SELECT lsn FROM meta.watermark ORDER BY stage")
    tables.CAPTURED = tuple(each for each in CAPTURED if each.name != "customer")
    told = refused(lab.capture)
    assert 'The publication "medallion" sends changes of customer, which are not captured tables' in told
    assert f"    {REMEDY} capture --resnapshot" in told
    assert rows(lab, "SELECT lsn FROM meta.watermark ORDER BY stage") == before
    tables.CAPTURED = CAPTURED
    assert lab.capture().rows == asked(lab.source_url, "SELECT count(*) FROM customer")
    lab.merge()
    assert behind(lab, False) == lab.verify() == []
    lab.capture(resnapshot=True)
    tables.CAPTURED = CAPTURED[:1]
    edit(lab, "known@now")
    lab.capture(merging=True)
    assert behind(lab, False) == []


def test_a_table_that_leaves_the_declaration_is_told_at_the_snapshot(
    shop: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = shop
    tables.CAPTURED = tuple(each for each in CAPTURED if each.name != "film")
    edit(lab, "one@less")
    lab.capture(merging=True)
    assert behind(lab, False) == lab.verify() == []
    films = lab.status()["rows"]["silver.dim_film_hist"]
    lab.capture(resnapshot=True)
    assert "No longer captured, as it is not declared: film." in capsys.readouterr().err
    run(lab, "UPDATE film SET length = 1")
    lab.capture(merging=True)
    assert lab.verify() == []
    assert lab.status()["rows"]["silver.dim_film_hist"] == films
    tables.CAPTURED = CAPTURED
    lab.capture(resnapshot=True, merging=True)
    assert lab.verify() == []
    assert lab.status()["rows"]["silver.dim_film_hist"] > films


# A table added, and the power goes


ADDED = Captured("added", ("id",), "crm", "bronze_crm")
DOOMED = """
import os, signal, sys
from medallion_lib import Medallion, steps, tables
tables.CAPTURED += (tables.Captured("added", ("id",), "crm", "bronze_crm"),)
name, at = sys.argv[1:]
steps.on_step = lambda step: step == at and os.kill(os.getpid(), signal.SIGKILL)
Medallion.open(name).capture(resnapshot=True)
"""


def goes_on(lab: Medallion, with_added: bool) -> None:
    """By a capture, or by what that says to type. Then all changes land and merge."""
    tables.CAPTURED = (*CAPTURED, ADDED) if with_added else CAPTURED
    try:
        lab.capture()
    except MedallionError as problem:
        assert f"    {REMEDY} capture --resnapshot" in str(problem)
        lab.capture(resnapshot=True)
    run(lab, "UPDATE customer SET email = 'went@on'; INSERT INTO crm.added SELECT count(*) FROM crm.added")
    lab.capture(merging=True)
    assert behind(lab, False) == lab.verify() == []
    if "bronze_crm.br_added_cdc" in lab.status()["rows"]:
        assert rows(lab, "SELECT max((full_row ->> 'id')::int) FROM bronze_crm.br_added_cdc") == [
            (asked(lab.source_url, "SELECT max(id) FROM crm.added"),)]  # fmt: skip


@pytest.mark.parametrize(("at", "first"), [
    ("slot made", False), ("landed", True),
    *(pytest.param(at, first, marks=pytest.mark.slow) for at, first in (
        ("slot made", True), ("copied", False), ("copied", True), ("landed", False))),
])  # fmt: skip
def test_a_table_added_goes_on_with_either_declaration_wherever_that_was_killed(
    shop: Medallion, at: str, first: bool
) -> None:
    lab = shop
    run(lab, "CREATE SCHEMA crm; CREATE TABLE crm.added (id integer PRIMARY KEY); INSERT INTO crm.added VALUES (0)")
    done = forked.run("-c", DOOMED, lab.name, at, environment=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for with_added in (first, not first):
        goes_on(lab, with_added)
    tables.CAPTURED = (*CAPTURED, ADDED)
    lab.capture(resnapshot=True)
    goes_on(lab, True)
    assert rows(lab, "SELECT count(*) > 0 FROM bronze_crm.br_added_cdc") == [(True,)]


def test_a_table_added_that_the_source_has_not_is_refused_before_the_slot_moves(shop: Medallion) -> None:
    lab = shop
    before = rows(lab, "SELECT lsn, publication FROM meta.watermark WHERE stage = 'capture'")
    tables.CAPTURED = (*CAPTURED, ADDED)
    assert "It has no table crm.added." in refused(lab.capture, resnapshot=True)
    assert rows(lab, "SELECT lsn, publication FROM meta.watermark WHERE stage = 'capture'") == before
    edit(lab, "no@gap")
    assert lab.capture().rows > 0
    lab.merge()
    assert behind(lab, False) == lab.verify() == []


# Any order of declarations, changes, captures and snapshots

SETS = st.sets(st.sampled_from([(schema, name) for schema in ("one", "two") for name in ("a", "b")]), min_size=1)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("declare"), SETS), st.tuples(st.just("change"), SETS),
        st.tuples(st.just("capture"), st.none()), st.tuples(st.just("take over"), st.none()),
        st.tuples(st.just("merge"), st.none()),
    ),
    min_size=3, max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def four() -> Iterator[Medallion]:
    """A source with two tables in each of two schemas."""
    lab = Medallion.open(f"sets_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    lab.reset()
    for schema in ("one", "two"):
        run(lab, f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.a (id integer PRIMARY KEY, n integer); "
                 f"CREATE TABLE {schema}.b (LIKE {schema}.a INCLUDING ALL)")  # fmt: skip
    yield lab
    lab.close()
    lab.drop()


def declared(names: set[tuple[str, str]]) -> tuple[Captured, ...]:
    return tuple(Captured(name, ("id",), schema, f"bronze_{schema}") for schema, name in sorted(names))


@pytest.mark.parametrize("examples", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_is_declared_in_between_no_capture_is_refused_and_nothing_is_lost(
    four: Medallion, examples: int, record_property: Callable[[str, object], None]
) -> None:
    tried = given(acts=ACTS)(lambda acts: check(four, acts))
    settings(max_examples=examples, deadline=None, derandomize=True, database=None)(tried)()
    record_property("orders of declarations", examples)


def check(four: Medallion, acts: list[tuple[str, set[tuple[str, str]] | None]]) -> None:
    tables.CAPTURED, tables.VERSIONED = declared({("one", "a"), ("two", "a")}), ()
    four.capture(resnapshot=True)
    taken = tables.CAPTURED
    for act, names in (*acts, ("capture", None)):
        if act == "declare":
            tables.CAPTURED = declared(names)
        elif act == "change":
            run(four, "; ".join(f"DELETE FROM {s}.{n} WHERE n % 5 = 4; UPDATE {s}.{n} SET n = n + 1; "
                                f"INSERT INTO {s}.{n} SELECT count(*) + coalesce(max(id), 0), 0 FROM {s}.{n}"
                                for s, n in sorted(names)))  # fmt: skip
        elif act == "take over":
            four.capture(resnapshot=True)
            taken = tables.CAPTURED
        elif act == "merge":
            four.merge()
        else:
            four.capture()
            for each in taken:
                assert live(four, each) == at_source(four, each), each.shown


def live(lab: Medallion, table: Captured) -> list[tuple]:
    """By bronze alone: the last row of each key that was neither deleted nor emptied since."""
    found: dict[str, tuple] = {}
    for op, key, n in rows(lab, f"SELECT op, full_row ->> 'id', full_row ->> 'n' FROM {table.bronze_schema}.br_{table.name}_cdc "
                                "ORDER BY lsn, seq"):  # fmt: skip
        if op == "T":
            found.clear()
        elif op == "D":
            del found[key]
        else:
            found[key] = (int(key), int(n))
    return sorted(found.values())


def at_source(lab: Medallion, table: Captured) -> list[tuple]:
    with server.session(lab.source_url) as cursor:
        cursor.execute(f"SELECT id, n FROM {table.schema}.{table.name} ORDER BY id")
        return cursor.fetchall()
