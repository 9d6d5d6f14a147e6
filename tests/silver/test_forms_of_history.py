"""A history is of a strict form or a cheap one, and is the same in either."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor
from test_table_sets import refused, rows, run, taken_over

from medallion_lib import Medallion, server
from medallion_lib.silver import first, merge
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import Column, Table, Tables

THING = Table("thing", ("place", "day"), history="thing_hist", is_strict=False)
STRICT = Table("thing", ("place", "day"), history="thing_hist")
MADE = """
    CREATE TABLE thing (place text[], day date, size numeric, PRIMARY KEY (place, day));
    INSERT INTO thing SELECT ARRAY['p', n::text], '2024-01-01', n FROM generate_series(1, 9) AS n
"""
VERSIONS = "SELECT place, day, size, row_hash, sys_start, sys_end FROM silver.thing_hist ORDER BY 1, 2, sys_start"


@pytest.fixture
def things(lab: Medallion) -> Medallion:
    """Nine things under a key of an array, which a strict form can't have."""
    run(lab, MADE)
    lab.declared = Tables((THING,))
    taken_over(lab)
    lab.merge()
    return lab


def test_a_cheap_form_keeps_every_version_and_is_checked(things: Medallion) -> None:
    run(things, "UPDATE thing SET size = 10 WHERE size < 3", "DELETE FROM thing WHERE size = 9", "UPDATE thing SET size = 11 WHERE size = 10")
    assert things.verify() == []
    assert len(rows(things, VERSIONS)) == 13
    keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'silver.thing_hist'::regclass AND contype IN ('p', 'c') ORDER BY 1"
    assert rows(things, keys) == [("CHECK ((sys_start < sys_end))",), ("PRIMARY KEY (place, day, sys_end)",)]
    assert rows(things, "SELECT meta.is_versioned('silver.thing_hist'::regclass)") == [(True,)]
    then = "SELECT count(*) FROM silver.thing_hist__as_of((SELECT min(sys_start) FROM silver.thing_hist)) WHERE size < 3"
    assert rows(things, then) == [(2,)]
    assert {(each.lost, each.gained) for each in things.rebuild()} == {(0, 0)}
    with server.session(things.warehouse_url) as cursor:
        cursor.execute("UPDATE silver.thing_hist SET sys_start = '2000-01-01' WHERE size = 11")
    assert sum("before the one before it ends" in line for line in things.verify()) == 2


def test_a_second_current_row_and_an_empty_period_are_rejected_by_the_server(things: Medallion) -> None:
    with server.session(things.warehouse_url) as cursor:
        for change, error in (("size = size", errors.UniqueViolation), ("sys_end = sys_start", errors.CheckViolation)):
            with pytest.raises(error):
                cursor.execute("INSERT INTO silver.thing_hist SELECT * FROM silver.thing_hist" if "size" in change
                               else f"UPDATE silver.thing_hist SET {change}")  # fmt: skip
            cursor.connection.rollback()


@pytest.mark.slow
def test_a_first_merge_of_a_snapshot_gives_what_any_merge_gives(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a strict form, in a cheap one, and by the statement that merges everything else."""
    both = (replace(THING, name="loose", history="loose_hist"), replace(THING, is_strict=True))
    for each in both:
        run(lab, MADE.replace("text[]", "text").replace("ARRAY['p', n::text]", "n::text").replace("thing", each.name),
            f"ALTER TABLE {each.name} ALTER size TYPE char(9)")  # fmt: skip
    lab.declared = Tables(both)
    taken_over(lab)
    begun, ways = first.begun, {}

    def watched(cursor: Cursor, shape: Shape, batch: dict[str, int]) -> tuple[int, int] | None:
        return ways.setdefault(shape.table.history, begun(cursor, shape, batch))

    monkeypatch.setattr(first, "begun", watched)
    monkeypatch.setattr(merge, "MANY", 1)  # for so few events, that statement is the quicker way
    expected = [merge.Merged(f"{each.name}_hist", 10, 9, 0, 0, 0) for each in both]
    assert [each for each in lab.merge() if ways.get(each.table)] == expected
    versions = rows(lab, VERSIONS)
    assert len(versions) == 9
    assert rows(lab, VERSIONS.replace("thing", "loose")) == versions
    monkeypatch.setattr(first, "begun", lambda *_: None)
    assert {(each.lost, each.gained) for each in lab.rebuild()} == {(0, 0)}
    assert rows(lab, VERSIONS) == versions


def test_a_snapshot_that_does_not_fit_is_refused_as_ever(lab: Medallion) -> None:
    run(lab, "CREATE TABLE word (id integer PRIMARY KEY, name text); INSERT INTO word VALUES (1, 'long')")
    short = (Column("id", "integer"), Column("name", "varchar(3)"))
    lab.declared = Tables((Table("word", ("id",), history="word_hist", columns=short),))
    taken_over(lab)
    assert "name is character varying(3) there, and the source has 'long'" in refused(lab.merge)
