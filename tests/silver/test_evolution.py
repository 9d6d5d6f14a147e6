"""A history made of columns follows those of its source, without a rebuild."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from evolving import asked, begin, end, run
from test_commands import REMEDY

from medallion_lib import Medallion, MedallionError
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(1)

THING = """
CREATE TABLE thing (id integer PRIMARY KEY, name text, size smallint, note varchar(5));
INSERT INTO thing VALUES (1, 'one', 10, 'a'), (2, 'two', 20, 'b'), (3, 'three', NULL, NULL)
"""


@pytest.fixture(scope="module")
def opened() -> Iterator[Medallion]:
    lab = Medallion.open(f"evolution_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    yield lab
    end(lab)


@pytest.fixture
def lab(opened: Medallion) -> Medallion:
    """Three things, captured and merged."""
    begin(opened, THING, Table("thing", ("id",), history="thing_hist"))
    return opened


def versions(lab: Medallion, columns: str) -> list[tuple]:
    """Every version, its order and which is current in place of its times."""
    return asked(lab, f"SELECT {columns}, sys_end = 'infinity' FROM silver.thing_hist ORDER BY id, sys_start")


def is_well(lab: Medallion) -> None:
    """Verify finds no difference, a rebuild the same rows, and a merge again nothing to do."""
    assert lab.verify() == []
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0)]
    assert lab.verify() == []
    assert {each.events for each in lab.merge()} == {0}


def test_an_added_column_is_there_with_the_first_row_that_has_it(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing ADD colour text DEFAULT 'red', ADD weight integer",
        "UPDATE thing SET weight = 5 WHERE id = 1", "UPDATE thing SET colour = NULL WHERE id = 2",
        "UPDATE thing SET name = name WHERE id = 3")  # fmt: skip
    lab.capture(merging=True)
    assert versions(lab, "id, colour, weight") == [
        (1, "red", None, False), (1, "red", 5, True), (2, "red", None, False), (2, None, None, True),
        (3, "red", None, True)]  # fmt: skip
    assert asked(lab, "SELECT id, colour FROM silver.thing ORDER BY id") == [(1, "red"), (2, None), (3, "red")]
    assert asked(lab, "SELECT count(colour) FROM silver.thing__as_of(now())") == [(2,)]
    is_well(lab)
    run(lab, "ALTER TABLE thing DROP colour", "UPDATE thing SET name = 'drei' WHERE id = 3")
    lab.capture(merging=True)
    assert versions(lab, "id, colour")[-2:] == [(3, "red", False), (3, None, True)]
    is_well(lab)


def test_what_earlier_rows_have_in_an_added_column_is_known_of_any_type_and_of_partitions(opened: Medallion) -> None:
    added = {"box": "(3,3),(2,2)", "box[]": "{(3,3),(2,2);(1,1),(0,0)}", "text": "a, \"b\" {c} \\", "text[]": '{NULL,"",a}'}
    columns = ", ".join(f"ADD c{number} {kind} DEFAULT '{value}'" for number, (kind, value) in enumerate(added.items()))
    begin(opened, "CREATE TABLE part (id integer PRIMARY KEY, n integer) PARTITION BY RANGE (id); "
          "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (5); CREATE TABLE part_5 PARTITION OF part DEFAULT; "
          "INSERT INTO part VALUES (1, 1), (6, 1)", Table("part", ("id",), history="part_hist"))  # fmt: skip
    run(opened, f"ALTER TABLE part {columns}", "CREATE TABLE part_0 PARTITION OF part FOR VALUES FROM (-9) TO (1)",
        "INSERT INTO part VALUES (0, 1)")  # fmt: skip
    opened.capture(merging=True)
    names = ", ".join(f"c{number}::text" for number in range(len(added)))
    assert asked(opened, f"SELECT {names} FROM silver.part") == [(*added.values(),)] * 3
    is_well(opened)


@pytest.mark.slow
def test_an_added_column_keeps_what_earlier_rows_have_in_it_when_it_is_renamed(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing ADD colour text DEFAULT 'red'", "UPDATE thing SET colour = 'blue' WHERE id = 1",
        "ALTER TABLE thing RENAME colour TO tint", "UPDATE thing SET tint = NULL WHERE id = 2")  # fmt: skip
    lab.capture(merging=True)
    assert asked(lab, "SELECT id, tint FROM silver.thing ORDER BY id") == [(1, "blue"), (2, None), (3, "red")]
    is_well(lab)


def test_a_column_that_is_dropped_with_the_first_row_that_has_it_was_what_the_capture_before_saw(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing ADD place inet DEFAULT '10.0.0.1', ADD is_new boolean DEFAULT true, ADD price numeric(6, 2) DEFAULT 1.5")
    lab.capture(merging=True)
    ((then,),) = asked(lab, "SELECT now()")
    run(lab, "UPDATE thing SET name = 'eins' WHERE id = 1; ALTER TABLE thing DROP place, DROP is_new, DROP price; "
             "UPDATE thing SET name = 'zwei' WHERE id = 2")  # fmt: skip
    lab.capture(merging=True)
    of_then = asked(lab, f"SELECT host(place), is_new, price::text FROM silver.thing__as_of('{then}')")
    assert of_then == [("10.0.0.1", True, "1.50")] * 3
    is_well(lab)


@pytest.mark.slow
def test_more_columns_than_a_table_can_have_are_refused(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing " + ", ".join(f"ADD c{number} integer" for number in range(1596)), "UPDATE thing SET c1 = 1")
    lab.capture()
    with pytest.raises(MedallionError, match="thing_hist is larger than PostgreSQL allows: tables can have at most 1600 columns"):
        lab.merge()


def test_a_renamed_column_is_renamed_in_silver_and_opens_no_version(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing RENAME name TO title", "UPDATE thing SET title = title WHERE id = 1",
        "ALTER TABLE thing RENAME title TO label", "UPDATE thing SET label = 'uno' WHERE id = 1",
        "UPDATE thing SET label = label WHERE id = 2")  # fmt: skip
    lab.capture()
    assert [each.history for each in lab.merge()] == [1]
    assert versions(lab, "id, label") == [(1, "one", False), (1, "uno", True), (2, "two", True), (3, "three", True)]
    assert asked(lab, "SELECT label FROM silver.thing ORDER BY id") == [("uno",), ("two",), ("three",)]
    is_well(lab)
    run(lab, "ALTER TABLE thing RENAME label TO name", "UPDATE thing SET size = 11 WHERE id = 1")
    lab.capture(merging=True)
    assert versions(lab, "id, name, size")[1:3] == [(1, "uno", 10, False), (1, "uno", 11, True)]
    is_well(lab)


LONG = "repeat(md5('{}'), 300)"


@pytest.mark.slow
def test_a_renamed_key_still_finds_the_rows_that_bronze_has(lab: Medallion) -> None:
    """By the key alone, with a value too long for its row that the log leaves out, and partly renamed too."""
    begin(lab, "CREATE TABLE pair (a text, b integer, long text STORAGE EXTERNAL, n integer, PRIMARY KEY (a, b)); "
               f"INSERT INTO pair VALUES ('x', 1, {LONG.format(1)}, 0), ('x', 2, {LONG.format(2)}, 0), ('y', 1, '', 0)",
          Table("pair", ("a", "b"), history="pair_hist"))  # fmt: skip
    run(lab, "ALTER TABLE pair RENAME b TO number; ALTER TABLE pair RENAME long TO text; UPDATE pair SET n = 1 WHERE number = 1",
        "ALTER TABLE pair RENAME a TO letter; UPDATE pair SET n = 2 WHERE letter = 'x'",
        "DELETE FROM pair WHERE letter = 'x' AND number = 2", "UPDATE pair SET number = 7 WHERE letter = 'x'")  # fmt: skip
    lab.capture(merging=True)
    assert asked(lab, "SELECT letter, number, left(text, 9) = left(md5('1'), 9), n FROM silver.pair ORDER BY 1") == [
        ("x", 7, True, 2), ("y", 1, False, 1)]  # fmt: skip
    assert asked(lab, "SELECT count(*) FROM silver.pair_hist WHERE length(text) <> 9600 AND letter = 'x'") == [(0,)]
    answer = lab.life("pair_hist", ("x", 2))
    assert [row[2].split(",")[0] for row in answer.rows] == ["begins", "changes"]
    is_well(lab)


def test_names_that_the_catalog_no_longer_has_are_known_by_their_place(lab: Medallion) -> None:
    """Renamed twice, and dropped again, before any of it is captured."""
    run(lab, "ALTER TABLE thing RENAME name TO title; UPDATE thing SET title = 'uno' WHERE id = 1",
        "ALTER TABLE thing RENAME title TO label; ALTER TABLE thing ADD brief text; UPDATE thing SET brief = 'b' WHERE id = 1",
        "ALTER TABLE thing RENAME note TO remark; UPDATE thing SET remark = 'r' WHERE id = 2",
        "ALTER TABLE thing DROP brief, DROP remark; UPDATE thing SET label = 'dos' WHERE id = 2")  # fmt: skip
    lab.capture(merging=True)
    assert versions(lab, "id, label, remark, brief") == [
        (1, "one", "a", None, False), (1, "uno", "a", None, False), (1, "uno", "a", "b", True),
        (2, "two", "b", None, False), (2, "two", "r", None, False), (2, "dos", None, None, True),
        (3, "three", None, None, True)]  # fmt: skip
    is_well(lab)


def test_names_that_nothing_explains_are_refused_and_a_new_snapshot_goes_on(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing RENAME note TO remark; UPDATE thing SET remark = 'r' WHERE id = 2",
        "ALTER TABLE thing RENAME remark TO other; ALTER TABLE thing ADD remark text; ALTER TABLE thing RENAME id TO number; "
        "UPDATE thing SET other = 'o'")  # fmt: skip
    with pytest.raises(MedallionError, match="Which columns of thing the log means by"):
        lab.capture()
    lab.capture(resnapshot=True, yes=True)
    lab.merge()
    assert asked(lab, "SELECT number, other, remark FROM silver.thing ORDER BY 1") == [(n, "o", None) for n in (1, 2, 3)]
    is_well(lab)


MARTS = """
CREATE ROLE {role};
CREATE VIEW gold.sizes WITH (security_barrier = true) AS SELECT note, sum(size) AS total FROM silver.thing GROUP BY note;
CREATE VIEW scratch.above AS SELECT total + 1 AS more, note AS remark FROM gold.sizes;
CREATE VIEW scratch.then AS SELECT count(size) AS sizes FROM silver.thing__as_of(now());
CREATE FUNCTION scratch.large() RETURNS SETOF gold.sizes LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM gold.sizes WHERE total > 9; END;
COMMENT ON VIEW gold.sizes IS 'By note.'; COMMENT ON COLUMN gold.sizes.total IS 'Of all.';
GRANT SELECT ON gold.sizes TO {role} WITH GRANT OPTION; GRANT SELECT (more) ON scratch.above TO {role};
ALTER VIEW scratch.above OWNER TO medallion_notebook; REVOKE ALL ON FUNCTION scratch.large FROM PUBLIC
"""
AS_THEY_ARE = """
SELECT relname, relowner::regrole::text, (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS x), reloptions::text, obj_description(pg_class.oid),
       (SELECT array_agg(concat(attname, attacl, col_description(attrelid, attnum)) ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = pg_class.oid)
FROM pg_class WHERE relkind = 'v' AND relname IN ('sizes', 'above', 'then', 'thing')
UNION ALL
SELECT proname, proowner::regrole::text, (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(coalesce(proacl, acldefault('f', proowner))) AS x), NULL, obj_description(oid), NULL
FROM pg_proc WHERE proname ~ '^(sizes|above|thing)__' OR proname = 'large'
ORDER BY 1
"""


@pytest.fixture
def role(lab: Medallion) -> Iterator[str]:
    name = f"reader_of_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
    yield name
    asked(lab, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_column_is_widened_under_views_and_functions_that_stay_as_they_were(lab: Medallion, role: str) -> None:
    """Their owners, rights, options and comments, too: of marts of one's own, and of what reads the past."""
    asked(lab, MARTS.format(role=role))
    lab.regenerate()
    before = asked(lab, AS_THEY_ARE)
    assert {row[0] for row in before} >= {"above", "above__as_of", "large", "sizes__as_of", "then", "thing__all"}
    run(lab, "ALTER TABLE thing ALTER size TYPE bigint, ALTER note TYPE varchar(9)",
        "UPDATE thing SET size = 3000000000, note = 'long note' WHERE id = 1")  # fmt: skip
    lab.capture(merging=True)
    assert asked(lab, "SELECT * FROM scratch.above ORDER BY 1") == [(21, "b"), (3000000001, "long note"), (None, None)]
    assert asked(lab, "SELECT more, remark FROM scratch.above__as_of('2000-01-01')") == []
    assert asked(lab, "SELECT sizes FROM scratch.then") == [(2,)]
    assert asked(lab, "SELECT count(*) FROM scratch.large()") == [(2,)]
    after = asked(lab, AS_THEY_ARE)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert after == before
    assert lab.verify() == []


INCOMPATIBLE = {  # a column's type, a value, its next type with a value that the first can't hold, and silver's then
    "an instant": ("date", "2024-02-29", "timestamptz", "2024-02-29 10:30:00+00", "timestamp with time zone"),
    "another kind": ("integer", "7", "uuid USING '6a0b1c9e-0000-4000-8000-000000000001'::uuid",
                     "6a0b1c9e-0000-4000-8000-000000000002", "text"),
}  # fmt: skip


@pytest.mark.first(1)
@pytest.mark.parametrize("how", [*INCOMPATIBLE])
def test_a_value_of_another_type_is_refused_until_a_snapshot_and_a_rebuild(lab: Medallion, how: str) -> None:
    type_, value, other, next_, became = INCOMPATIBLE[how]
    begin(lab, f"CREATE TABLE thing (id integer PRIMARY KEY, v {type_}); INSERT INTO thing VALUES (1, '{value}')",
          Table("thing", ("id",), history="thing_hist"))  # fmt: skip
    run(lab, f"ALTER TABLE thing ALTER v TYPE {other}; UPDATE thing SET v = '{next_}'")
    lab.capture()
    with pytest.raises(MedallionError, match="A value does not fit thing_hist: v is") as caught:
        lab.merge()
    assert f"capture --resnapshot\n    {REMEDY} rebuild" in str(caught.value)
    assert versions(lab, "id, v::text") == [(1, value, True)]
    lab.capture(resnapshot=True, yes=True)
    lab.rebuild()
    lab.merge()
    assert asked(lab, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                      "WHERE attrelid = 'silver.thing_hist'::regclass AND attname = 'v'") == [(became,)]  # fmt: skip
    assert versions(lab, "v::text")[-1] == (next_, True)
    is_well(lab)


@pytest.mark.slow
def test_a_narrower_type_changes_nothing(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing ALTER size TYPE bigint; UPDATE thing SET size = 70000 WHERE id = 1")
    lab.capture(merging=True)
    run(lab, "DELETE FROM thing WHERE id = 1; ALTER TABLE thing ALTER size TYPE smallint; UPDATE thing SET size = 9 WHERE id = 2")
    lab.capture(merging=True)
    assert versions(lab, "size")[:2] == [(10, False), (70000, False)]
    is_well(lab)


def test_a_default_that_is_not_in_the_log_is_told_and_a_new_snapshot_brings_it(lab: Medallion) -> None:
    run(lab, "ALTER TABLE thing ADD made timestamptz NOT NULL DEFAULT clock_timestamp(); UPDATE thing SET size = 1 WHERE id = 1")
    lab.capture(merging=True)
    assert {line.split(":")[0] for line in lab.verify()} == {"thing_hist, id 2", "thing_hist, id 3"}
    (told,) = lab.status()["columns_changed"]
    assert "thing: column made, timestamp with time zone, was added; what earlier rows have in it is not in the log" in told
    lab.capture(resnapshot=True, yes=True)
    is_well(lab)


def test_what_a_column_became_is_told_once_in_the_log_and_kept_for_status(
    lab: Medallion, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    run(lab, "ALTER TABLE thing ALTER size TYPE boolean USING size > 5; ALTER TABLE thing RENAME note TO remark",
        "UPDATE thing SET name = name || '!'")  # fmt: skip
    lab.capture()
    sentences = ["thing: column size is boolean now, and smallint in silver; a value that does not fit there will be refused.",
                 "thing: column note was renamed to remark."]  # fmt: skip
    assert capsys.readouterr().err.splitlines() == sentences
    run(lab, "UPDATE thing SET name = name || '?'")
    lab.capture()
    assert capsys.readouterr().err == ""
    assert [line[21:] for line in lab.status()["columns_changed"]] == sentences
    assert f"columns changed             {lab.status()['columns_changed'][0]}\n{'':28}20" in str(lab.status())


def test_a_column_that_is_left_out_or_excluded_stays_so_under_another_name(lab: Medallion) -> None:
    begin(lab, "CREATE TABLE person (id integer PRIMARY KEY, name text, ssn text, photo text); INSERT INTO person VALUES (1, 'a', 'secret', 'p')",
          Table("person", ("id",), history="person_hist", left_out=("photo",), excluded=("ssn",)))  # fmt: skip
    run(lab, "ALTER TABLE person RENAME ssn TO tax_id; ALTER TABLE person RENAME photo TO picture; ALTER TABLE person ADD city text; "
             "UPDATE person SET city = 'c', tax_id = 'secret too'")  # fmt: skip
    lab.capture(merging=True)
    assert asked(lab, "SELECT * FROM (SELECT full_row FROM bronze.br_person_cdc ORDER BY lsn DESC LIMIT 1) AS last") == [
        ({"id": 1, "name": "a", "picture": "p", "city": "c"},)]  # fmt: skip
    columns = asked(lab, "SELECT attname::text FROM pg_attribute WHERE attrelid = 'silver.person'::regclass ORDER BY attnum")
    assert [name for (name,) in columns] == ["id", "name", "row_hash", "sys_start", "city"]
    is_well(lab)


@pytest.mark.slow
def test_the_date_that_partitions_go_by_is_followed_under_its_new_name(lab: Medallion) -> None:
    begin(lab, "CREATE TABLE sale (id integer PRIMARY KEY, sold date NOT NULL, n smallint); INSERT INTO sale VALUES (1, '2024-01-05', 1)",
          Table("sale", ("id",), history="sale_hist", by_month="sold"))  # fmt: skip
    lab.declared = Tables((Table("sale", ("id",), history="sale_hist", by_month="sold"),))
    try:
        run(lab, "ALTER TABLE sale ALTER n TYPE integer; ALTER TABLE sale RENAME sold TO day; ALTER TABLE sale ADD shop text DEFAULT 's'",
            "INSERT INTO sale VALUES (2, '2024-02-05', 70000)", "UPDATE sale SET day = '2024-03-01' WHERE id = 1")  # fmt: skip
        lab.capture(merging=True)
        assert asked(lab, "SELECT tableoid::regclass::text, id, day::text, shop FROM silver.sale_hist ORDER BY 1, 2") == [
            ("silver.sale_hist_2024_01", 1, "2024-01-05", "s"), ("silver.sale_hist_2024_02", 2, "2024-02-05", "s"),
            ("silver.sale_hist_2024_03", 1, "2024-03-01", "s")]  # fmt: skip
        is_well(lab)
    finally:
        lab.declared = None


def test_an_undo_goes_back_before_a_column_was_renamed_dropped_or_added(lab: Medallion) -> None:
    (before,), = asked(lab, "SELECT clock_timestamp()::text", False)
    run(lab, "ALTER TABLE thing RENAME name TO title; ALTER TABLE thing DROP note; ALTER TABLE thing ADD colour text DEFAULT 'red'; "
             "UPDATE thing SET title = 'uno', colour = 'blue' WHERE id = 1; DELETE FROM thing WHERE id = 2")  # fmt: skip
    lab.undo("thing_hist", 1, before)
    assert asked(lab, "SELECT title, colour FROM thing WHERE id = 1", False) == [("one", "blue")]
    lab.undo("thing_hist", 2, before)
    assert asked(lab, "SELECT title, size, colour FROM thing WHERE id = 2", False) == [("two", 20, "red")]
    is_well(lab)


def test_what_can_not_be_made_again_is_refused_by_name_and_nothing_is_merged(lab: Medallion) -> None:
    asked(lab, "CREATE TABLE scratch.kept (before silver.thing)")
    run(lab, "ALTER TABLE thing ALTER size TYPE bigint; UPDATE thing SET size = 70000 WHERE id = 1")
    lab.capture()
    before = versions(lab, "id, size")
    with pytest.raises(MedallionError, match=r"Columns of thing_hist have changed .*(\n.*)*column before of table scratch.kept"):
        lab.merge()
    assert versions(lab, "id, size") == before
    asked(lab, "DROP TABLE scratch.kept")
    lab.merge()
    is_well(lab)
