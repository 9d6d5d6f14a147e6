"""Columns added, dropped, renamed and retyped land without a restart."""

from __future__ import annotations

import os
import re
import signal
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from declaring import saying, with_silver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import ProgrammingError
from test_commands import REMEDY, begin, change, command, wait_until

from medallion_lib import Medallion, MedallionError, server, sqlfile
from medallion_lib.shop import TABLES
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(1)

FILM = "INSERT INTO language (name) VALUES ('Latin'); " \
       "INSERT INTO film (title, language_id, rental_rate, length) VALUES ('One', 1, 4.99, 90), ('Two', 1, 0.99, 80)"


def in_warehouse(lab: Medallion, query: str) -> list[tuple]:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def films(lab: Medallion) -> list[dict[str, Any]]:
    """What bronze has of films, in order."""
    return [row for (row,) in in_warehouse(lab, "SELECT full_row FROM bronze.br_film_cdc ORDER BY lsn, seq")]


def versions(lab: Medallion, columns: str = "*", table: str = "dim_film_hist") -> list[tuple]:
    """Every version in silver, its order and which is current in place of its times."""
    return in_warehouse(
        lab, f"SELECT {columns}, sys_end = 'infinity' FROM silver.{table} ORDER BY 1, sys_start")  # fmt: skip


def refused(work: Any) -> str:
    with pytest.raises(MedallionError) as caught:
        work()
    return str(caught.value)


@pytest.fixture(scope="module")
def opened() -> Iterator[Medallion]:
    lab = Medallion.open(f"columns_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    yield lab
    lab.close()
    lab.drop()


@pytest.fixture
def shop(opened: Medallion) -> Medallion:
    """Two films, captured and merged."""
    opened.close()
    opened.declared = None
    opened.reset()
    change(opened.source, FILM)
    opened.capture()
    opened.merge()
    return opened


COLUMNS = (  # a change, and what bronze then has of the film that it changed
    ("ALTER TABLE film ADD studio text DEFAULT 'none', ADD wide integer", {"studio": "none", "wide": None}),
    ("ALTER TABLE film ADD twice integer GENERATED ALWAYS AS (film_id * 2) STORED", {"twice": 2}),
    ("ALTER TABLE film DROP twice, DROP original_language_id", {"twice": ..., "original_language_id": ...}),
    ("ALTER TABLE film RENAME length TO minutes", {"length": ..., "minutes": 90}),
    ("ALTER TABLE film ALTER minutes TYPE bigint, ALTER rental_rate TYPE numeric(9, 3)",
     {"minutes": 90, "rental_rate": 4.99}),
    ("ALTER TABLE film ALTER minutes TYPE text USING minutes || ' min'", {"minutes": "90 min"}),
    ("ALTER TABLE film ADD hours boolean DEFAULT true, DROP minutes", {"hours": True, "minutes": ...}),
)  # fmt: skip


def test_columns_added_dropped_renamed_and_retyped_land_without_a_restart(shop: Medallion) -> None:
    """In one capture, and with one that follows."""
    for number, (alter, _) in enumerate(COLUMNS):
        change(shop.source, f"{alter}; UPDATE film SET replacement_cost = {number} WHERE film_id = 1")
        change(shop.source, f"UPDATE film SET title = '{number}' WHERE film_id = 1")
    shop.capture()
    titles = {row["title"]: row for row in reversed(films(shop))}  # the first of each title
    assert set(titles) == {"One", "Two", *map(str, range(len(COLUMNS)))}
    for number, (_, expected) in enumerate(COLUMNS):
        found = {name: titles[str(number)].get(name, ...) for name in expected}
        assert found == expected, COLUMNS[number][0]
    same_transaction = [row for row in films(shop) if row["replacement_cost"] == 4 and row["title"] == "3"]
    assert [row["minutes"] for row in same_transaction] == [90]


@pytest.mark.slow
def test_a_capture_that_follows_goes_on_through_every_change_of_columns(shop: Medallion) -> None:
    process = begin(shop, "capture", "--follow")
    try:
        for number, (alter, expected) in enumerate(COLUMNS):
            change(shop.source, alter)
            change(shop.source, f"UPDATE film SET title = 'now {number}' WHERE film_id = 1")
            wait_until(lambda: films(shop)[-1]["title"] == f"now {number}")  # noqa: B023
            found = {name: films(shop)[-1].get(name, ...) for name in expected}
            assert found == expected, alter
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "Stopped. What was landed is kept.\n")
    told = [re.search("film: column (.+) was added; earlier rows have a value", line)[1] for line in err.splitlines()]
    assert told == ["studio", "twice", "hours"]


# A name that means something else now, though no row was written

CHANGED = {  # what is there before, what is done, what is told of it
    "two swapped": ("", "ALTER TABLE film RENAME title TO other; ALTER TABLE film RENAME description TO title; "
                    "ALTER TABLE film RENAME other TO description", "column title of public.film: 2 then, 3 now"),
    "dropped and reused": ("", "ALTER TABLE film DROP length; ALTER TABLE film ADD length smallint DEFAULT 7",
                           r"column length of public.film: \d+ then, \d+ now"),
    "given away and taken": ("", "ALTER TABLE film RENAME length TO minutes; ALTER TABLE film RENAME rental_duration TO length",
                             r"column length of public.film: \d+ then, \d+ now"),
    "a label": ("", "ALTER TYPE mpaa_rating RENAME VALUE 'G' TO 'All'", "label of enum public.mpaa_rating: G then, All now"),
    "labels swapped, of an array of a domain": (
        "CREATE TYPE mood AS ENUM ('low', 'high'); CREATE DOMAIN felt AS mood; ALTER TABLE film ADD moods felt[]",
        "ALTER TYPE mood RENAME VALUE 'low' TO 'other'; ALTER TYPE mood RENAME VALUE 'high' TO 'low'; ALTER TYPE mood RENAME VALUE 'other' TO 'high'",
        "label of enum public.mood: low then, high now"),
    "a label of a part of a row": (
        "CREATE TYPE hue AS ENUM ('red'); CREATE TYPE parcel AS (hue hue, n integer); ALTER TABLE film ADD parcel parcel",
        "ALTER TYPE hue RENAME VALUE 'red' TO 'crimson'", "label of enum public.hue: red then, crimson now"),
    "an enum made anew": (
        "CREATE TYPE hue AS ENUM ('red', 'blue'); ALTER TABLE film ADD hue hue DEFAULT 'red'",
        "ALTER TYPE hue RENAME TO other; CREATE TYPE hue AS ENUM ('blue', 'red'); ALTER TABLE film ALTER hue DROP DEFAULT, "
        "ALTER hue TYPE hue USING (CASE hue::text WHEN 'red' THEN 'blue' ELSE 'red' END)::hue; DROP TYPE other",
        r"enum public.hue: \d+ then, \d+ now"),
}  # fmt: skip
QUICK = ("two swapped", "dropped and reused", "labels swapped, of an array of a domain")


@pytest.mark.first(1)
@pytest.mark.parametrize("how", [*QUICK, *(pytest.param(how, marks=pytest.mark.slow) for how in CHANGED if how not in QUICK)])
def test_a_name_that_means_something_else_is_told_and_a_new_snapshot_mends_it(shop: Medallion, how: str) -> None:
    before, done_, told = CHANGED[how]
    change(shop.source, before or "SELECT 1")
    change(shop.source, "UPDATE film SET description = 'about ' || title, rating = 'G'")
    shop.capture(merging=True)
    landed, was = films(shop), versions(shop)
    change(shop.source, done_)
    change(shop.source, "UPDATE film SET special_features = '{Trailers}' WHERE film_id = 1")
    for work in (shop.capture, shop.verify):
        message = refused(work)
        assert re.search(f"^    .*{told}$", message, re.MULTILINE)
        assert f"    {REMEDY} capture --resnapshot" in message
        assert (films(shop), versions(shop)) == (landed, was)
    shop.capture(resnapshot=True, yes=True)
    change(shop.source, "UPDATE film SET special_features = '{Trailers}' WHERE film_id = 2")
    if how != "given away and taken":  # there silver's rental_duration is gone, which merge tells
        assert shop.verify() == []
    assert shop.capture().rows == (how == "given away and taken")


def test_tables_that_swap_their_names_are_told(shop: Medallion) -> None:
    """Both stay in the publication, with columns alike; no row of either is written."""
    change(shop.source, "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text); "
                        "INSERT INTO a VALUES (1, 'of a'); INSERT INTO b VALUES (1, 'of b')")  # fmt: skip
    shop.declared = Tables((Table("a", ("id",)), Table("b", ("id",))))
    shop.capture(resnapshot=True, yes=True)
    change(shop.source, "ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b")
    change(shop.source, "INSERT INTO a VALUES (2, 'of b')")
    assert re.search(r"^    table public.a: (\d+) then, (\d+) now\n    table public.b: \2 then, \1 now$", refused(shop.capture), re.MULTILINE)
    shop.capture(resnapshot=True, yes=True)
    rows = "SELECT full_row ->> 'v' FROM bronze.br_a_cdc WHERE op = 'R' ORDER BY lsn, seq"
    assert in_warehouse(shop, rows) == [("of a",), ("of b",), ("of b",)]


@pytest.mark.slow
def test_a_capture_that_follows_ends_at_a_name_that_means_something_else(shop: Medallion) -> None:
    process = begin(shop, "capture", "--follow")
    try:
        change(shop.source, "UPDATE film SET title = 'Followed' WHERE film_id = 1")
        wait_until(lambda: films(shop)[-1]["title"] == "Followed")
        change(shop.source, CHANGED["two swapped"][1])
        change(shop.source, "UPDATE film SET rating = 'PG' WHERE film_id = 1")
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out) == (1, "")
    assert "column title of public.film: 2 then, 3 now" in err
    assert films(shop)[-1]["title"] == "Followed"


def test_a_warehouse_made_before_names_were_noted_takes_them_as_they_are(shop: Medallion) -> None:
    change(shop.source, CHANGED["a label"][1])
    in_warehouse(shop, "UPDATE meta.watermark SET names = NULL")
    shop.capture()
    assert in_warehouse(shop, "SELECT names ->> 'column title of public.film' FROM meta.watermark WHERE stage = 'capture'") == [("2",)]
    change(shop.source, CHANGED["two swapped"][1])
    assert "column title of public.film: 2 then, 3 now" in refused(shop.capture)


NAMES = st.sampled_from(["a", "b", "c"])
DDL = st.lists(st.one_of(
    st.tuples(st.just("ADD {} text DEFAULT '{}'"), NAMES, st.sampled_from(["x", "y"])),
    st.tuples(st.just("DROP {}"), NAMES), st.tuples(st.just("RENAME {} TO {}"), NAMES, NAMES),
    st.tuples(st.just("RENAME {0} TO d; ALTER TABLE film RENAME {1} TO {0}; ALTER TABLE film RENAME d TO {1}"), NAMES, NAMES),
), min_size=1, max_size=7)  # fmt: skip
SAME = "SELECT film_id, to_jsonb(film) - ARRAY['fulltext'] FROM film ORDER BY 1"
LAST = "SELECT DISTINCT ON (full_row ->> 'film_id') (full_row ->> 'film_id')::int, full_row FROM bronze.br_film_cdc WHERE op <> 'T' ORDER BY full_row ->> 'film_id', lsn DESC, seq DESC"


def check_names(shop: Medallion, steps: list[tuple[str, ...]]) -> None:
    """After each change of columns, with a row written: bronze says of both rows what the source has."""
    change(shop.source, "ALTER TABLE film DROP IF EXISTS a, DROP IF EXISTS b, DROP IF EXISTS c, DROP IF EXISTS d")
    change(shop.source, "ALTER TABLE film ADD a text DEFAULT '1', ADD b text DEFAULT '2'")
    shop.capture(resnapshot=True, yes=True)
    for template, *names in steps:
        try:
            change(shop.source, f"ALTER TABLE film {template.format(*names)}")
        except ProgrammingError:
            continue  # no such column, or one too many
        change(shop.source, "UPDATE film SET length = length + 1 WHERE film_id = 1")
        try:
            shop.capture()
        except MedallionError as told:
            assert "a name means something else" in str(told)
            shop.capture(resnapshot=True, yes=True)
        with shop.source.connect() as connection:
            at_source = dict(map(tuple, connection.exec_driver_sql(SAME)))
        for film, row in in_warehouse(shop, LAST):
            for name in row.keys() & {"a", "b", "c"} & at_source[film].keys():
                assert row[name] == at_source[film][name], (film, name)


@settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(steps=DDL)
def test_under_any_name_bronze_has_what_the_source_has_or_capture_refuses(shop: Medallion, steps: list[tuple[str, ...]]) -> None:
    check_names(shop, steps)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(steps=DDL)
def test_under_any_of_many_names_too(shop: Medallion, steps: list[tuple[str, ...]]) -> None:
    check_names(shop, steps)


def test_a_new_column_is_tracked_once_silver_has_it_and_rebuild_brings_its_history(
    shop: Medallion, tmp_path: Path
) -> None:
    change(shop.source, "ALTER TABLE film ADD studio text DEFAULT 'none'")
    for studio in ("'A'", "'B'", "NULL"):
        change(shop.source, f"UPDATE film SET studio = {studio} WHERE film_id = 1")
    shop.capture()
    assert shop.merge()[1].updated == 0
    assert versions(shop, "title") == [("One", True), ("Two", True)]
    shop.declared = with_silver(tmp_path, ("    special_features      text[],\n", "    special_features      text[],\n    studio text,\n"))
    (rebuilt,) = (table for table in shop.rebuild() if table.table == "dim_film_hist")
    assert (rebuilt.rows, rebuilt.lost, rebuilt.gained) == (5, 1, 4)
    assert versions(shop, "title, studio") == [
        ("One", None, False), ("One", "A", False), ("One", "B", False), ("One", None, True), ("Two", None, True)
    ]  # fmt: skip
    change(shop.source, "UPDATE film SET studio = 'C' WHERE film_id = 1")
    shop.capture()
    assert shop.merge()[1].updated == 1
    assert shop.verify() == ['dim_film_hist, film_id 2: studio is "none" at the source, null in silver'], (
        "a DEFAULT that fills a row is not in the log")  # fmt: skip
    shop.capture(resnapshot=True, yes=True)
    assert shop.verify() == []


def test_a_column_that_the_source_never_had_is_refused_and_nothing_changes(
    shop: Medallion, tmp_path: Path
) -> None:
    """Misspelt in silver.sql, it would be null for good."""
    before = versions(shop)
    shop.declared = with_silver(tmp_path, ("    special_features      text[],\n", "    special_featurs       text[],\n"),
                ("COLUMN dim_film_hist.special_features", "COLUMN dim_film_hist.special_featurs"))  # fmt: skip
    assert "dim_film_hist tracks special_featurs" in refused(shop.rebuild)
    assert versions(shop) == before


@pytest.mark.slow
def test_a_renamed_column_refuses_the_merge_until_it_is_declared(
    shop: Medallion
) -> None:
    change(shop.source, "ALTER TABLE film RENAME length TO minutes")
    change(shop.source, "UPDATE film SET minutes = 95 WHERE film_id = 1")
    shop.capture()
    before, watermark = versions(shop), in_warehouse(shop, "TABLE meta.watermark")
    message = refused(shop.merge)
    assert re.match(r'dim_film_hist tracks length \("length" at the source\), and rows there .* since [0-9A-F]+/', message)
    assert (versions(shop), in_warehouse(shop, "TABLE meta.watermark")) == (before, watermark)
    change(shop.source, "UPDATE film SET minutes = 96 WHERE film_id = 1")
    shop.capture()
    assert films(shop)[-1]["minutes"] == 96, "bronze goes on"
    assert message == refused(shop.merge)
    assert [(table.lost, table.gained) for table in shop.rebuild()] == [(0, 0)] * 4, "up to the last merge"
    shop.declared = saying("dim_film_hist", **remedy(message, "renamed", "minutes"))
    shop.merge()
    assert versions(shop, "title, length") == [("One", 90, False), ("One", 95, False), ("One", 96, True), ("Two", 80, True)]
    assert all((table.lost, table.gained) == (0, 0) for table in shop.rebuild())
    assert shop.verify() == []


def remedy(message: str, fact: str, became: str = "") -> dict[str, Any]:
    """What the message says to write of this fact, with the column's new name."""
    (written,) = re.findall(rf"^    ({fact}.* = .*)$", message, re.MULTILINE)
    return tomllib.loads(written.replace("its_new_name", became))


@pytest.mark.slow
def test_the_remedy_keeps_the_name_that_a_column_had_already(
    shop: Medallion
) -> None:
    """dim_customer's active is from activebool; the source has another column named active."""
    shop.reset()
    shop.replay("2023-01-02")
    shop.capture()
    shop.merge()
    was = "SELECT customer_id, active FROM silver.dim_customer ORDER BY 1"
    before = in_warehouse(shop, was)
    change(shop.source, "ALTER TABLE customer RENAME activebool TO is_open; UPDATE customer SET active = 0, email = 'x' WHERE customer_id = 1")
    shop.capture()
    message = refused(shop.merge)
    assert 'dim_customer_hist tracks active ("activebool" at the source)' in message
    shop.declared = saying("dim_customer_hist", **remedy(message, "renamed", "is_open"))
    shop.merge()
    assert in_warehouse(shop, was) == before
    change(shop.source, "ALTER TABLE rental RENAME rental_date TO rented_at; UPDATE rental SET last_update = now() WHERE rental_id = 1")
    shop.capture()
    message = refused(shop.merge)
    assert "fact_rental tracks rental_date" in message
    shop.declared = saying("fact_rental", shop.declared, **remedy(message, "renamed", "rented_at"))
    shop.merge()
    change(shop.source, "UPDATE rental SET rented_at = '2031-05-06' WHERE rental_id = 1")
    assert shop.verify() == []
    assert in_warehouse(shop, "SELECT count(*) FROM silver.fact_rental_2031_05") == [(1,)]


def test_a_dropped_column_is_null_from_each_rows_next_change_once_it_is_declared(
    shop: Medallion
) -> None:
    change(shop.source, "ALTER TABLE film DROP length")
    change(shop.source, "UPDATE film SET last_update = now() WHERE film_id = 1")
    shop.capture()
    message = refused(shop.merge)
    assert remedy(message, "gone") == {"gone": ["length"]}
    shop.declared = saying("dim_film_hist", **remedy(message, "gone"))
    shop.merge()
    assert versions(shop, "title, length") == [("One", 90, False), ("One", None, True), ("Two", 80, True)]
    change(shop.source, "UPDATE film SET title = 'Two!' WHERE film_id = 2; DELETE FROM film WHERE film_id = 1")
    shop.capture()
    shop.merge()
    assert versions(shop, "title, length") == [
        ("One", 90, False), ("One", None, False), ("Two", 80, False), ("Two!", None, True)]  # fmt: skip
    assert shop.verify() == []


WIDENED = [  # how a column is widened, first at the source, a value, and what is told of it
    ("length", "integer", 40000, "length is smallint there, and the source has '40000'"),
    ("rental_rate", "numeric(9, 3)", Decimal("1234.500"),
     "rental_rate is numeric(4,2) there, and the source has '1234.500'"),
    ("rental_rate", "numeric(9, 3)", Decimal("4.999"),
     "rental_rate is numeric(4,2) there, and the source has '4.999'"),
    ("release_year", "text", "MCMXCIX", "release_year is integer there, and the source has 'MCMXCIX'"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "wide", "value", "told"), [
    WIDENED[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in WIDENED[1:])])
def test_a_value_that_no_longer_fits_is_refused_until_silver_is_widened(
    shop: Medallion, tmp_path: Path, column: str, wide: str, value: object, told: str
) -> None:
    change(shop.source, f"ALTER TABLE film ALTER {column} TYPE {wide}")
    change(shop.source, "UPDATE film SET title = 'One, again' WHERE film_id = 1")
    shop.capture()
    shop.merge()
    before, was = versions(shop), versions(shop, f"title, {column}")[1][1]
    change(shop.source, f"UPDATE film SET {column} = %s WHERE film_id = 1", value)
    shop.capture()
    message = refused(shop.merge)
    assert f"A value does not fit dim_film_hist: {told}." in message
    assert f"    {REMEDY} rebuild" in message
    assert versions(shop) == before
    (line,) = re.findall(rf"^    {column} .*$", sqlfile.read("shop/silver").split("fact_rental (")[0], re.MULTILINE)
    shop.declared = with_silver(tmp_path, (line, f"    {column} {wide},"))
    assert message == refused(shop.merge), "silver.sql alone is not the table"
    shop.rebuild()
    shop.merge()
    assert versions(shop, f"title, {column}")[1:3] == [("One, again", was, False), ("One, again", value, True)]
    assert shop.verify() == []


@pytest.mark.slow
def test_a_day_that_becomes_an_instant_is_not_cut(shop: Medallion) -> None:
    shop.reset()
    shop.replay("2023-01-02")
    shop.capture()
    change(shop.source, "ALTER TABLE customer ALTER create_date TYPE timestamptz; "
                        "UPDATE customer SET create_date = '2023-01-01 10:30+00' WHERE customer_id = 7")  # fmt: skip
    shop.capture()
    assert "create_date is date there, and the source has '2023-01-01 10:30:00+00'" in refused(shop.merge)


def test_rebuild_makes_views_and_functions_again_that_read_silver(shop: Medallion) -> None:
    """Through views and the functions behind the clause; with owner, rights and comments, and of any name."""
    odd = 'scratch."my {odd} 100% ""one"'
    facts = ("SELECT relname, relowner::regrole, coalesce(relacl, acldefault('r', relowner)), obj_description(oid), pg_get_viewdef(oid) FROM pg_class "
             "WHERE relnamespace = 'scratch'::regnamespace AND relkind = 'v' ORDER BY 1")  # fmt: skip
    in_warehouse(shop, f"""
        CREATE VIEW scratch.mine AS SELECT title FROM silver.dim_film;
        CREATE VIEW {odd} AS SELECT *, (SELECT count(*) FROM scratch.mine) AS films FROM gold.vw_top_titles;
        CREATE VIEW scratch.earlier AS SELECT title FROM silver.dim_film__as_of('2999-01-01');
        CREATE FUNCTION scratch.films() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM scratch.earlier; END;
        COMMENT ON VIEW scratch.mine IS 'Its titles, 100 %.'; GRANT SELECT ON scratch.mine TO PUBLIC;
        ALTER VIEW scratch.mine OWNER TO medallion_notebook""")
    were = in_warehouse(shop, facts)
    assert shop.rebuild()[1].lost == 0
    assert in_warehouse(shop, facts) == were and len(were) == 3
    assert in_warehouse(shop, "SELECT scratch.films(), (SELECT count(*) FROM scratch.mine)") == [(2, 2)]
    in_warehouse(shop, f"DROP FUNCTION scratch.films; DROP VIEW {odd}, scratch.mine, scratch.earlier CASCADE")


@pytest.mark.slow
def test_rebuild_is_refused_while_something_of_the_users_own_reads_silver(shop: Medallion) -> None:
    before = versions(shop)
    for made, named in (
        ("VIEW scratch.mine AS SELECT title FROM silver.dim_film; CREATE TABLE scratch.kept (film scratch.mine)", "column film of table scratch.kept"),
        ("MATERIALIZED VIEW gold.kept AS SELECT title FROM silver.dim_film", "materialized view gold.kept"),
        ("VIEW gold.ours AS SELECT title FROM silver.dim_film", "gold.ours"),
        ("TABLE silver.notes AS SELECT 1 AS note", "silver.notes"),
    ):
        in_warehouse(shop, f"CREATE {made}")
        message = refused(shop.rebuild)
        assert message.startswith("Silver was left as it is")
        assert named in message
        assert f"    {REMEDY} rebuild" in message
        assert versions(shop) == before
        assert in_warehouse(shop, "SELECT count(*) FROM silver.dim_film__as_of(now())") == [(2,)]
        in_warehouse(shop, "DROP " + made.split(" AS ")[0] + " CASCADE")
    assert shop.rebuild()[1].lost == 0


@pytest.mark.slow
def test_rebuild_finds_a_replay_identical_and_tells_of_every_row_that_was_tampered_with(shop: Medallion) -> None:
    shop.reset()
    for until in ("2023-01-08", "2023-01-15"):
        shop.replay(until)
        shop.capture()
        shop.merge()
    ended = command(shop, "rebuild")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Silver was made anew, identical in every row.\n")
    counts = {line.split()[0]: line.split()[1:] for line in ended.stdout.splitlines()[2:]}
    assert list(counts) == [table.history for table in TABLES.versioned]
    assert all(count[1:] == ["0", "0"] for count in counts.values())
    assert int(counts["dim_customer_hist"][0].replace(",", "")) > 599
    in_warehouse(shop, "UPDATE silver.dim_film_hist SET rental_rate = 9.99 WHERE film_id = 3; "
                       "DELETE FROM silver.fact_payment WHERE payment_id IN (5, 6); "
                       "INSERT INTO silver.dim_customer_hist (customer_id, row_hash, sys_start) VALUES (-1, 0, now())")  # fmt: skip
    was = versions(shop)
    asking = command(shop, "rebuild")
    assert (asking.returncode, asking.stdout) == (1, "")
    assert "    dim_customer_hist: 1 rows, of customer_id -1\n    dim_film_hist: 1 rows, of film_id 3\n" in asking.stderr
    assert versions(shop) == was
    ended = command(shop, "rebuild", "--yes")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Silver was made anew, and is not what it was:\n")
    lost = {line.split()[0]: line.split()[2:] for line in ended.stderr.splitlines()[2:]}
    assert lost == {"dim_customer_hist": ["1", "0"], "dim_film_hist": ["1", "1"], "fact_rental": ["0", "0"],
                    "fact_payment": ["0", "2"]}  # fmt: skip
    assert shop.verify() == []


ON = "SET session_replication_role = replica; INSERT INTO inventory (film_id, store_id) VALUES (1, 1)"


def test_a_column_added_with_a_default_is_told_by_capture_once_and_before_any_row_has_it(
    shop: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    change(shop.source, "ALTER TABLE film ADD studio text DEFAULT 'none', ADD \"Wide\" integer; "
                        "ALTER TABLE inventory ADD \"At\" timestamptz NOT NULL DEFAULT clock_timestamp()")  # fmt: skip
    change(shop.source, f"{ON}; UPDATE inventory SET store_id = 2")
    for times in (1, 0):
        assert shop.capture().rows == 2 * times
        said = capsys.readouterr().err
        assert said.count("film: column studio was added; earlier rows have a value in it") == times
        assert said.count("inventory: column At was added; earlier rows") == times
        assert "Wide" not in said and said.count(f"{REMEDY} capture --resnapshot") == 2 * times
    assert len(shop.status()["columns_changed"]) == 2


def test_a_captured_table_that_is_renamed_stops_capture_until_it_has_its_name(shop: Medallion) -> None:
    change(shop.source, "ALTER TABLE film RENAME TO movie")
    assert "sends changes of movie, which are not captured tables" in refused(shop.capture)
    assert "It has no table public.film." in refused(lambda: shop.capture(resnapshot=True, yes=True))
    change(shop.source, "ALTER TABLE movie RENAME TO film")
    assert shop.capture().rows == 0


def test_a_captured_table_that_is_dropped_is_named_and_the_others_go_on(
    shop: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last changes, which the log has and its catalog no longer explains, are let go with it."""
    before = versions(shop, "title")
    change(shop.source, "UPDATE film SET title = 'Late' WHERE film_id = 1")
    change(shop.source, f"DROP TABLE film CASCADE; {ON}")
    told = "film: it was dropped at the source. Its bronze and its history stay as they are."
    assert shop.capture(merging=True).rows == 1
    assert capsys.readouterr().err.count(told) == 1
    assert [line.partition("  ")[2] for line in shop.status()["columns_changed"]].count(told) == 1
    assert shop.verify() == [] and versions(shop, "title") == before
    change(shop.source, f"CREATE TABLE film (film_id integer PRIMARY KEY, name text); {ON}")
    assert shop.capture(merging=True).rows == 1
    assert told not in capsys.readouterr().err
    change(shop.source, "ALTER PUBLICATION medallion SET TABLE customer")
    assert "or no longer has a captured table" in refused(shop.capture)


def test_a_partitioned_table_that_is_dropped_is_named_and_the_others_go_on(
    shop: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last changes come under its partitions' names, which are no tables' any more."""
    paid = "INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date) VALUES (1, 1, 1, 5, '2023-07-01')"
    change(shop.source, f"SET session_replication_role = replica; {paid}")
    assert shop.capture().rows == 1
    change(shop.source, "UPDATE payment SET amount = amount + 1")
    change(shop.source, f"DROP TABLE payment CASCADE; {ON}")
    assert shop.capture(merging=True).rows == 1
    assert capsys.readouterr().err.count("payment: it was dropped at the source.") == 1
