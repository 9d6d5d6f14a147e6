"""A warehouse keeps the tables that it was made for.

That holds whatever tables a process declares: others are refused, with what differs, until a
snapshot takes them over.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import forked
import pytest
from declaring import declaring, saying
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import BASE
from test_commands import REMEDY, wait_until
from test_commands import refused as command_refused
from test_live import asked

from medallion_lib import Medallion, MedallionError, server, steps
from medallion_lib.shop import TABLES, star
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(2)

WATERMARK = "SELECT stage, lsn, slot, publication FROM meta.watermark ORDER BY stage"
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


@pytest.fixture
def namesakes(lab: Medallion) -> Medallion:
    """Both are declared to be captured and versioned."""
    both = (Table("client", ("id",), place, f"bronze_{place}", history="client_hist", silver_schema=f"silver_{place}")
            for place in PLACES)  # fmt: skip
    lab.declared = TABLES + Tables(tuple(both))
    run(lab, *map(CLIENT.format, PLACES))
    return lab


def taken_over(lab: Medallion) -> None:
    """As the refusal of other tables says."""
    lab.capture(resnapshot=True, yes=True)
    lab.rebuild()


@pytest.mark.slow
def test_two_tables_of_one_name_are_captured_merged_verified_rebuilt_and_counted(namesakes: Medallion) -> None:
    lab = namesakes
    taken_over(lab)
    for step in LIFE:
        run(lab, "; ".join(map(step.format, PLACES)))
        lab.capture()
    for place, other in (PLACES, PLACES[::-1]):
        changes = rows(lab, f"SELECT op, full_row ->> 'id', left(full_row ->> 'v', 3) FROM bronze_{place}.br_client_cdc "
                            "ORDER BY lsn, seq")  # fmt: skip
        assert "".join(op for op, _, _ in changes) == "TRRRUDIDTIUI"
        assert {value for _, _, value in changes} == {place, None}
        longs = rows(lab, f"SELECT DISTINCT full_row ->> 'long' FROM bronze_{place}.br_client_cdc WHERE op <> 'T'")
        assert sorted(longs) == [("",), (place * 1000,)], f"nothing of {other}"
    merged = {each.table: each.events for each in lab.merge()}
    assert merged["silver_crm.client_hist"] == merged["silver_far.client_hist"] == 12
    assert lab.verify() == []
    counts = lab.status()["rows"]
    for place in PLACES:
        assert counts[f"bronze_{place}.br_client_cdc"] == 12
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


@pytest.mark.slow
def test_a_history_is_named_with_its_schema_where_another_has_its_name(namesakes: Medallion) -> None:
    taken_over(namesakes)
    namesakes.merge()
    for place in PLACES:
        assert f'INSERT INTO "silver_{place}"."client_hist"' in namesakes.merge_statement(f"silver_{place}.client_hist")
    told = refused(namesakes.merge_statement, "client_hist")
    assert told.endswith("Name one with its schema: silver_crm.client_hist, silver_far.client_hist.")
    assert namesakes.merge_statement("silver.fact_rental") == namesakes.merge_statement("fact_rental")
    assert "client_hist is the name of several tables" in refused(namesakes.life, "client_hist", 1)


def test_two_tables_that_would_share_one_bronze_are_refused(lab: Medallion) -> None:
    run(lab, *map(CLIENT.format, PLACES))
    clients = [Table("client", ("id",), place) for place in PLACES]
    told = refused(declaring(lab, TABLES + Tables((*clients,))).capture, resnapshot=True, yes=True)
    assert "Changes of crm.client and of far.client would land in one table, bronze.br_client_cdc." in told
    lab.capture()  # as before
    apart = TABLES + Tables((clients[0], replace(clients[1], bronze_schema="bronze_of_its_own")))
    declaring(lab, apart).capture(resnapshot=True, yes=True)
    for place, bronze in zip(PLACES, ("bronze", "bronze_of_its_own"), strict=True):
        assert rows(lab, f"SELECT DISTINCT left(full_row ->> 'v', 3) FROM {bronze}.br_client_cdc WHERE op = 'R'") == [(place,)]


# Keys of several columns


def test_keys_that_join_to_one_text_stay_two(lab: Medallion) -> None:
    run(lab, "CREATE TABLE line (doc text, number text, amount integer, PRIMARY KEY (doc, number)); "
             "INSERT INTO line VALUES ('1-2', '3', 1), ('1', '2-3', 2)")  # fmt: skip
    lab.declared = TABLES + Tables((Table("line", ("doc", "number"), history="line_hist"),))
    taken_over(lab)
    lab.merge()
    versions = "SELECT doc, number, amount, sys_end = 'infinity' FROM silver.line_hist ORDER BY amount"
    assert rows(lab, versions) == [("1-2", "3", 1, True), ("1", "2-3", 2, True)]
    run(lab, "UPDATE line SET amount = 3 WHERE doc = '1'", "DELETE FROM line WHERE doc = '1-2'")
    lab.capture(merging=True)
    assert rows(lab, versions) == [("1-2", "3", 1, False), ("1", "2-3", 2, False), ("1", "2-3", 3, True)]
    run(lab, "INSERT INTO line VALUES ('1-2', '3', 4)")
    assert lab.verify() == []
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE silver.line_hist SET amount = 5 WHERE doc = '1-2' AND sys_end = 'infinity'")
    assert lab.verify() == ["line_hist, doc 1-2, number 3: amount is 4 at the source, 5 in silver"]


# A process that declares more than the warehouse has, or less, or otherwise


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


def differences(told: str, lab: Medallion) -> list[str]:
    """What a refusal says that differs."""
    first, *lines = told.split("\nNothing was done.")[0].splitlines()
    assert first == f"{lab.warehouse_name} was made for other tables than are declared here:"
    assert "lab.capture(resnapshot=True, yes=True)\n    lab.rebuild()" in told
    return [line.strip() for line in lines]


def test_a_process_that_declares_more_is_refused_and_the_lab_goes_on(shop: Medallion) -> None:
    lab, more = shop, declaring(shop, star.TABLES)
    before = rows(lab, WATERMARK)
    edit(lab, "more@declared")
    for work in (more.capture, more.merge, more.verify, more.rebuild):
        assert differences(refused(work), lab) == sorted(f"{each.name}: not in the warehouse" for each in star.FURTHER.each)
    status = more.status()
    assert status["not_captured_yet"].split(", ") == [each.name for each in star.FURTHER.each]
    assert "silver_star.address_hist" in status["not_in_silver_yet"]
    assert "not captured yet            country, city, address" in str(status)
    assert not any("star" in name for name in status["rows"])
    assert rows(lab, WATERMARK) == before
    assert rows(lab, "SELECT FROM pg_namespace WHERE nspname LIKE '%star%'") == []
    assert lab.capture().rows > 0
    lab.merge()
    assert behind(lab, False) == lab.verify() == []
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}


OTHERWISE = {
    "key": (("title",), "film: key is ('title',), and ('film_id',) in the warehouse"),
    "bronze_schema": ("crm", "film: bronze_schema is crm, and bronze in the warehouse"),
    "history": ("films", "film: history is films, and dim_film_hist in the warehouse"),
    "silver_schema": ("crm", "film: silver_schema is crm, and silver in the warehouse"),
    "events": ("films", "film: events is films, and None in the warehouse"),
    "by_month": ("last_update", "film: by_month is last_update, and None in the warehouse"),
    "lookups": (("store_id",), "film: lookups is ('store_id',), and () in the warehouse"),
    "schema": ("crm", "crm.film: not in the warehouse; film: in the warehouse only"),
    "is_captured": (False, "film: in the warehouse only"),
}  # fmt: skip
MADE_ANEW = ("history", "silver_schema", "by_month", "lookups")  # by a rebuild, as they are declared


@pytest.mark.slow
def test_a_process_that_declares_a_table_otherwise_is_told_what_differs(shop: Medallion) -> None:
    before = rows(shop, WATERMARK)
    edit(shop, "not@landed")
    for fact, (value, told) in OTHERWISE.items():
        other = declaring(shop, saying("dim_film_hist", lookup="shop/lookup_rental", **{fact: value}))
        for work in (other.capture, other.merge, other.verify):
            assert differences(refused(work), shop) == told.split("; ")
        if fact not in MADE_ANEW:
            assert differences(refused(other.rebuild), shop) == told.split("; ")
    assert rows(shop, WATERMARK) == before
    shop.capture(merging=True)
    assert behind(shop, False) == shop.verify() == []


def test_a_history_that_its_sql_does_not_make_so_is_refused_by_a_rebuild(shop: Medallion) -> None:
    before = rows(shop, "SELECT version, tables FROM meta.warehouse")
    other = declaring(shop, saying("dim_film_hist", by_month="last_update"))
    told = refused(other.rebuild)
    assert told.startswith("silver.dim_film_hist is declared by_month, and the SQL that makes it gives it no partitions.")
    assert "    PARTITION BY RANGE (last_update)" in told
    assert rows(shop, "SELECT version, tables FROM meta.warehouse") == before
    assert shop.verify() == []


def test_a_lookup_without_its_sql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedallionError, match=r"crm\.film is declared to look up store_id, shelf\. Declare the SQL"):
        Table("film", "film_id", "crm", lookups=("store_id", "shelf"))
    file = tmp_path / "tables.toml"
    file.write_text('[[table]]\nname = "film"\nkey = "film_id"\nlookups = ["store_id"]\n', encoding="utf-8")
    with pytest.raises(MedallionError, match="film is declared to look up store_id"):
        Tables.from_toml(file)


@pytest.mark.slow
def test_another_process_with_a_file_of_other_tables_is_refused_until_it_takes_them_over(
    shop: Medallion, tmp_path: Path
) -> None:
    """And then the one that declares the first ones."""
    file = tmp_path / "tables.toml"
    file.write_text('[[table]]\nname = "customer"\nkey = ["customer_id"]\nhistory = "people"\n')
    first, other = declaring(shop, TABLES), ("--tables", str(file))
    first.capture()
    for command in ("capture", "merge", "verify"):
        assert differences(command_refused(shop, *other, command), shop) == [
            "customer: history is people, and dim_customer_hist in the warehouse",
            *(f"{name}: in the warehouse only" for name in ("film", "inventory", "payment", "rental"))]  # fmt: skip
    edit(shop, "taken@over")
    assert first.capture(merging=True).rows > 0
    taken_over(declaring(shop, Tables.from_toml(file)))
    assert "customer: history is dim_customer_hist, and people in the warehouse" in refused(first.capture)
    run(shop, "UPDATE customer SET email = 'by@another'")
    shop.capture(merging=True)
    assert {email for (email,) in rows(shop, "SELECT email FROM silver.people WHERE sys_end = 'infinity'")} == {"by@another"}


def test_a_table_cannot_be_changed_once_it_is_made() -> None:
    names = {"active": ["activebool"]}
    table = Table("customer", ["customer_id"], renamed=names)
    for fact, value in (("key", ("store_id",)), ("name", "film"), ("renamed", {})):
        with pytest.raises(FrozenInstanceError):
            setattr(table, fact, value)
    with pytest.raises(TypeError):
        table.renamed["active"] = ("email",)
    with pytest.raises(FrozenInstanceError):
        TABLES.each = ()
    names["active"].append("email")
    assert table == Table("customer", ("customer_id",), renamed={"active": ("activebool",)})


@pytest.mark.slow
def test_two_labs_of_different_tables_live_in_one_process(shop: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one captures, and merges, while the other is made, and one after that which declares nothing."""
    stop = threading.Event()

    def follow() -> None:
        with suppress(KeyboardInterrupt):
            shop.capture(follow=True, merging=True)

    def end(step: str) -> None:
        if stop.is_set() and threading.current_thread() is follower:
            raise KeyboardInterrupt

    follower = threading.Thread(target=follow)
    other, third = (Medallion(shop.place, f"{shop.name}_{name}", tables)
                    for name, tables in (("other", star.TABLES), ("third", None)))  # fmt: skip
    monkeypatch.setattr(steps, "on_step", end)
    follower.start()
    try:
        for lab in (other, third):
            lab.reset()
            edit(shop, f"while {lab.name} was made")
            wait_until(lambda: behind(shop, False) == [])
            run(lab, PEOPLE)
            lab.capture(merging=True)
        for lab in (other, third):
            edit(lab, "its@own")
            assert lab.capture(merging=True).rows > 0
            assert behind(lab, lab is other) == lab.verify() == []
        assert follower.is_alive()
        stop.set()
        edit(shop, "the@last")
        follower.join(10)
        assert not follower.is_alive()
        assert shop.verify() == []
        for lab, is_there in ((shop, False), (other, True), (third, False)):
            schemas = "SELECT count(*) > 0 FROM pg_namespace WHERE nspname LIKE '%star%'"
            assert rows(lab, schemas) == [(is_there,)], lab.name
            published = asked(lab.source_url, "SELECT count(*) FROM pg_publication_rel")
            assert published == (15 if is_there else 5), lab.name
    finally:
        stop.set()
        for lab in (other, third):
            lab.drop()


@pytest.mark.slow
def test_tables_declared_later_come_in_with_a_snapshot_and_a_rebuild(shop: Medallion) -> None:
    lab = shop
    lab.declared = star.TABLES
    lab.capture(resnapshot=True, yes=True)
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


@pytest.mark.slow
def test_a_process_that_declares_less_is_refused_and_one_that_declares_none_goes_on(lab: Medallion) -> None:
    more, less = (declaring(lab, tables) for tables in (star.TABLES, TABLES))
    more.reset()
    run(lab, PEOPLE)
    more.capture()
    before = rows(lab, WATERMARK)
    for work in (less.capture, less.merge, less.verify, less.rebuild):
        assert differences(refused(work), lab) == sorted(f"{each.name}: in the warehouse only" for each in star.FURTHER.each)
    assert rows(lab, WATERMARK) == before
    assert {each.table for each in lab.merge()} >= {"dim_customer_hist", "silver_star.address_hist"}
    edit(lab, "none@declared")
    lab.capture(merging=True)
    assert behind(lab, True) == lab.verify() == []
    every = {each.shown_history for each in star.TABLES.versioned}
    assert {*lab.rebuild()} == {*more.rebuild()}
    assert {(each.table, each.lost, each.gained) for each in lab.rebuild()} == {(name, 0, 0) for name in every}
    edit(lab, "after@rebuild")
    lab.capture(merging=True)
    assert behind(lab, True) == lab.verify() == []
    assert more.merge()[0].events == 0


def test_asking_a_warehouse_of_an_earlier_version_writes_nothing(shop: Medallion) -> None:
    lab = shop
    columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'meta.watermark'::regclass AND NOT attisdropped"
    run_in_warehouse(lab, "DROP TABLE meta.warehouse; ALTER TABLE meta.watermark DROP COLUMN names")
    before = rows(lab, columns)
    assert "was made by an earlier version of this code" in refused(lab.status)
    assert rows(lab, columns) == before
    assert rows(lab, "SELECT to_regclass('meta.warehouse')") == [(None,)]
    lab.rebuild()
    edit(lab, "again@written")
    lab.capture(merging=True)
    assert rows(lab, columns) == [*before, ("names",)]
    assert lab.verify() == []


def run_in_warehouse(lab: Medallion, statement: str) -> None:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(statement)


def test_a_table_that_is_sent_and_that_the_warehouse_does_not_know_is_told(shop: Medallion) -> None:
    lab = shop
    edit(lab, "not@known")
    before = rows(lab, WATERMARK)
    run_in_warehouse(lab, "CREATE TABLE scratch.kept AS TABLE meta.warehouse; UPDATE meta.warehouse SET tables = "
                     "jsonb_set(tables, '{tables}', jsonb_path_query_array(tables, '$.tables[*] ? (@.name != \"customer\")'))")
    told = refused(lab.capture)
    assert 'The publication "medallion" sends changes of customer, which are not captured tables' in told
    assert f"    {REMEDY} capture --resnapshot" in told
    assert rows(lab, WATERMARK) == before
    run_in_warehouse(lab, "UPDATE meta.warehouse SET tables = kept.tables FROM scratch.kept")
    assert lab.capture().rows == asked(lab.source_url, "SELECT count(*) FROM customer")
    lab.merge()
    assert behind(lab, False) == lab.verify() == []


@pytest.mark.slow
def test_a_table_that_leaves_the_declaration_is_told_at_the_snapshot(
    shop: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, less = shop, declaring(shop, replace(TABLES, each=tuple(each for each in TABLES.each if each.name != "film")))
    edit(lab, "one@less")
    assert differences(refused(less.capture), lab) == ["film: in the warehouse only"]
    films = lab.status()["rows"]["silver.dim_film_hist"]
    less.capture(resnapshot=True, yes=True)
    assert "No longer captured, as it is not declared: film." in capsys.readouterr().err
    run(lab, "UPDATE film SET length = 1")
    less.capture(merging=True)
    assert behind(lab, False) == less.verify() == lab.verify() == []
    assert lab.status()["rows"]["silver.dim_film_hist"] == films
    declaring(lab, TABLES).capture(resnapshot=True, merging=True, yes=True)
    assert lab.verify() == []
    assert lab.status()["rows"]["silver.dim_film_hist"] > films


# A table added, and the power goes


ADDED = Table("added", ("id",), "crm", "bronze_crm")
WITH_ADDED = TABLES + Tables((ADDED,))
DOOMED = """
import os, signal, sys
from medallion_lib import Medallion, shop, steps
from medallion_lib.tables import Table, Tables
name, at = sys.argv[1:]
steps.on_step = lambda step: step == at and os.kill(os.getpid(), signal.SIGKILL)
added = Table("added", ("id",), "crm", "bronze_crm")
Medallion.open(name, tables=shop.TABLES + Tables((added,))).capture(resnapshot=True, yes=True)
"""


def goes_on(lab: Medallion, with_added: bool) -> None:
    """By a capture, or by what that says to type. Then all changes land and merge."""
    process = declaring(lab, WITH_ADDED if with_added else TABLES)
    try:
        process.capture()
    except MedallionError as problem:
        assert f"    {REMEDY} capture --resnapshot" in str(problem) or differences(str(problem), lab)[0].startswith("crm.added: ")
        process.capture(resnapshot=True, yes=True)
    run(lab, "UPDATE customer SET email = 'went@on'; INSERT INTO crm.added SELECT count(*) FROM crm.added")
    process.capture(merging=True)
    assert behind(lab, False) == process.verify() == []
    if "bronze_crm.br_added_cdc" in lab.status()["rows"]:
        assert rows(lab, "SELECT max((full_row ->> 'id')::int) FROM bronze_crm.br_added_cdc") == [
            (asked(lab.source_url, "SELECT max(id) FROM crm.added"),)]  # fmt: skip


@pytest.mark.first(1)
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
    declaring(lab, WITH_ADDED).capture(resnapshot=True, yes=True)
    goes_on(lab, True)
    assert rows(lab, "SELECT count(*) > 0 FROM bronze_crm.br_added_cdc") == [(True,)]


def test_a_table_added_that_the_source_has_not_is_refused_before_the_slot_moves(shop: Medallion) -> None:
    lab = shop
    before = rows(lab, WATERMARK)
    for added in (ADDED, replace(ADDED, history="added_hist")):
        assert "It has no table crm.added." in refused(declaring(lab, TABLES + Tables((added,))).capture, resnapshot=True, yes=True)
    assert rows(lab, WATERMARK) == before
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


def of(names: set[tuple[str, str]]) -> Tables:
    return Tables(tuple(Table(name, ("id",), schema, f"bronze_{schema}") for schema, name in sorted(names)))


@pytest.mark.slow
@pytest.mark.parametrize("examples", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_is_declared_in_between_what_differs_is_refused_and_nothing_is_lost(
    four: Medallion, examples: int, record_property: Callable[[str, object], None]
) -> None:
    tried = given(acts=ACTS)(lambda acts: check(four, acts))
    settings(max_examples=examples, deadline=None, derandomize=True, database=None)(tried)()
    record_property("orders of declarations", examples)


def check(four: Medallion, acts: list[tuple[str, set[tuple[str, str]] | None]]) -> None:
    taken = process = declaring(four, of({("one", "a"), ("two", "a")}))
    taken.capture(resnapshot=True, yes=True)
    for act, names in (*acts, ("capture", None)):
        if act == "declare":
            process = declaring(four, of(names))
        elif act == "change":
            run(four, "; ".join(f"DELETE FROM {s}.{n} WHERE n % 5 = 4; UPDATE {s}.{n} SET n = n + 1; "
                                f"INSERT INTO {s}.{n} SELECT count(*) + coalesce(max(id), 0), 0 FROM {s}.{n}"
                                for s, n in sorted(names)))  # fmt: skip
        elif act == "take over":
            process.capture(resnapshot=True, yes=True)
            taken = process
        elif act == "merge":
            works(four, process, taken, lambda lab: lab.merge())
        else:
            works(four, process, taken, lambda lab: lab.capture())
            for each in taken.declared.each:
                assert live(four, each) == at_source(four, each), each.shown


def works(four: Medallion, process: Medallion, taken: Medallion, work: Callable[[Medallion], Any]) -> None:
    """For who declares what was taken over, or nothing; for others it is refused, with what differs."""
    if process.declared == taken.declared:
        work(process)
        return
    before, differ = rows(four, WATERMARK), {*process.declared.each} ^ {*taken.declared.each}
    told = differences(refused(work, process), four)
    assert {line.split(":")[0] for line in told} == {each.shown for each in differ}
    assert rows(four, WATERMARK) == before
    work(four)


def live(lab: Medallion, table: Table) -> list[tuple]:
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


def at_source(lab: Medallion, table: Table) -> list[tuple]:
    with server.session(lab.source_url) as cursor:
        cursor.execute(f"SELECT id, n FROM {table.schema}.{table.name} ORDER BY id")
        return cursor.fetchall()
