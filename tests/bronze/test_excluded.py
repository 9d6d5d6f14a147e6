"""Excluded columns never land, whatever becomes of them at the source."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_table_sets import refused, rows, run, taken_over

from medallion_lib import Medallion
from medallion_lib.tables import Table, Tables

PERSON = Table("person", ("id",), history="person_hist", excluded=("secret", "bulk"))
MADE = """
    CREATE TABLE person (id integer PRIMARY KEY, secret text NOT NULL, name text, bulk text STORAGE EXTERNAL, age integer);
    INSERT INTO person VALUES (1, 'hush', 'One', repeat('bulk', 1000), 11), (2, 'hush', 'Two', NULL, 22)
"""
LANDED = "SELECT op, full_row FROM bronze.br_person_cdc WHERE op <> 'T' ORDER BY lsn, seq"


@pytest.fixture
def people(lab: Medallion, request: pytest.FixtureRequest) -> Medallion:
    """Two people, captured and merged without their secrets, by whole old rows or by keys."""
    lab.declared = Tables((PERSON,))
    run(lab, MADE, f"ALTER TABLE person REPLICA IDENTITY {getattr(request, 'param', 'DEFAULT')}")
    taken_over(lab)
    lab.merge()
    return lab


def landed(lab: Medallion) -> list[tuple]:
    """What came to bronze, and nothing of a secret anywhere in it."""
    found = rows(lab, LANDED)
    assert "hush" not in str(found)
    assert "bulk" not in str(found)
    return found


@pytest.mark.first(1)
@pytest.mark.parametrize("people", ["FULL", "DEFAULT"], indirect=True)
def test_an_excluded_column_is_in_no_layer(people: Medallion) -> None:
    run(people, "INSERT INTO person VALUES (3, 'hush', 'Three', 'bulk', 33)", "UPDATE person SET name = '1' WHERE id = 1",
        "UPDATE person SET id = 4, secret = 'hush hush' WHERE id = 2", "DELETE FROM person WHERE id = 3")  # fmt: skip
    assert people.verify() == []
    assert [op for op, _ in landed(people)] == [*"RRIUDID"]
    assert {(*row,) for _, row in landed(people)} == {("id", "age", "name")}
    columns = "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'silver.person_hist'::regclass AND attnum > 0"
    assert rows(people, columns)[0][0][:3] == ["id", "name", "age"]
    assert {(each.lost, each.gained) for each in people.rebuild()} == {(0, 0)}


def test_a_change_of_excluded_columns_alone_opens_no_version(people: Medallion) -> None:
    run(people, "UPDATE person SET secret = 'hush hush', bulk = NULL WHERE id = 1", "UPDATE person SET name = 'Uno' WHERE id = 1")
    people.capture(merging=True)
    assert [op for op, _ in landed(people)] == [*"RRUU"]
    assert rows(people, "SELECT name FROM silver.person_hist WHERE id = 1 ORDER BY sys_start") == [("One",), ("Uno",)]


@pytest.mark.slow
def test_an_excluded_column_stays_out_under_a_new_name(people: Medallion) -> None:
    run(people, "ALTER TABLE person RENAME secret TO nickname; INSERT INTO person VALUES (3, 'hush', 'Three', 'bulk', 33)")
    assert people.verify() == []
    run(people, "ALTER TABLE person ADD note text; INSERT INTO person VALUES (4, 'hush', 'Four', 'bulk', 44, 'new')")
    people.capture()
    assert landed(people)[-1][1] == {"id": 4, "name": "Four", "age": 44, "note": "new"}
    run(people, "ALTER TABLE person RENAME nickname TO alias; UPDATE person SET age = 45 WHERE id = 4")
    people.capture()
    people.capture(resnapshot=True, yes=True)
    run(people, "ALTER TABLE person ADD secret text DEFAULT 'hush'; UPDATE person SET age = 46 WHERE id = 4")
    people.capture(resnapshot=True, yes=True)  # for the name means another column now: neither lands
    run(people, "ALTER TABLE person RENAME secret TO other; UPDATE person SET age = 47 WHERE id = 4")
    assert people.verify() == []
    assert {name for _, row in landed(people) for name in row} == {"id", "name", "age", "note"}
    assert landed(people)[-1][1]["age"] == 47
    assert {(each.lost, each.gained) for each in people.rebuild()} == {(0, 0)}
    columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'silver.person_hist'::regclass AND attnum > 0 AND NOT attisdropped"
    assert {name for (name,) in rows(people, columns)} >= {"id", "name", "age"}
    assert not {name for (name,) in rows(people, columns)} & {"secret", "nickname", "alias", "other", "bulk"}


def test_a_partition_whose_columns_stand_otherwise_leaves_the_same_ones_out(lab: Medallion) -> None:
    lab.declared = Tables((PERSON,))
    run(lab, "CREATE TABLE person (id integer PRIMARY KEY, secret text, name text, bulk text) PARTITION BY RANGE (id); "
             "CREATE TABLE person_low (bulk text, name text, gone text, id integer NOT NULL, secret text); "
             "ALTER TABLE person_low DROP gone, REPLICA IDENTITY FULL; "
             "ALTER TABLE person ATTACH PARTITION person_low FOR VALUES FROM (0) TO (9); "
             "INSERT INTO person VALUES (1, 'hush', 'One', 'bulk')")  # fmt: skip
    lab.capture(resnapshot=True, yes=True)
    run(lab, "ALTER TABLE person RENAME secret TO nickname; INSERT INTO person VALUES (2, 'hush', 'Two', 'bulk')",
        "UPDATE person SET nickname = 'hush hush', name = 'Uno' WHERE id = 1")  # fmt: skip
    lab.capture()
    assert [(op, row["id"], row["name"]) for op, row in landed(lab)] == [("R", 1, "One"), ("I", 2, "Two"), ("U", 1, "Uno")]


def test_a_table_made_anew_is_known_by_its_names_alone(people: Medallion) -> None:
    run(people, "DROP TABLE person; CREATE TABLE person (secret text, name text, bulk text, age integer, id integer PRIMARY KEY); "
                "INSERT INTO person VALUES ('hush', 'One', 'bulk', 11, 1)")  # fmt: skip
    people.capture(resnapshot=True, yes=True)
    assert landed(people)[-1][1] == {"id": 1, "name": "One", "age": 11}


def test_a_column_that_is_excluded_no_more_lands_from_the_next_snapshot_on(people: Medallion) -> None:
    people.declared = Tables((replace(PERSON, excluded=("bulk",)),))
    assert "excluded is ('bulk',), and ('secret', 'bulk') in the warehouse" in refused(people.capture)
    people.capture(resnapshot=True, yes=True)
    assert rows(people, LANDED)[-1][1] == {"id": 2, "name": "Two", "age": 22, "secret": "hush"}


@pytest.mark.slow
def test_a_column_that_nothing_explains_stops_capture_of_a_table_that_excludes_some(people: Medallion) -> None:
    run(people, "ALTER TABLE person RENAME secret TO nickname; INSERT INTO person VALUES (3, 'hush', 'Three', 'bulk', 33)",
        "ALTER TABLE person RENAME nickname TO alias; INSERT INTO person VALUES (4, 'hush', 'Four', 'bulk', 44)")  # fmt: skip
    assert "Column nickname of person may be one that is not to land" in refused(people.capture)
    assert len(landed(people)) == 2
    people.capture(resnapshot=True, yes=True)
    assert people.verify() == []
    assert {name for _, row in landed(people) for name in row} == {"id", "name", "age"}


def test_undo_leaves_excluded_columns_as_they_are(people: Medallion) -> None:
    before = rows(people, "SELECT max(sys_start)::text FROM silver.person_hist")[0][0]
    run(people, "UPDATE person SET name = 'Uno', secret = 'kept' WHERE id = 1; DELETE FROM person WHERE id = 2")
    assert people.undo("person_hist", 1, before) == """UPDATE "public"."person" SET "name" = 'One', "age" = 11 WHERE "id" = 1"""
    told = refused(people.undo, "person_hist", 2, before)
    assert 'null value in column "secret" of relation "person" violates not-null constraint' in told
    assert people.verify() == []


def test_a_key_column_cannot_be_excluded() -> None:
    assert "Column id of person is of its key" in refused(replace, PERSON, excluded=("secret", "id"))
