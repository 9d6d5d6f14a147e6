"""A table without a key lands its changes, each with the whole row, and has no history."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_table_sets import refused, rows, run

from medallion_lib import Medallion, server
from medallion_lib.tables import Table, Tables

NOTE = Table("note", ())
MADE = """
    CREATE TABLE note (day date, body text, amount numeric, number integer, UNIQUE (day, number)) PARTITION BY RANGE (day);
    CREATE TABLE note_old PARTITION OF note FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
    CREATE TABLE note_new PARTITION OF note DEFAULT;
    INSERT INTO note VALUES ('2023-05-05', 'old', 1.0), ('2024-05-05', 'new', NULL)
"""
CHANGES = "SELECT op, full_row ->> 'body', full_row ->> 'amount' FROM bronze.br_note_cdc ORDER BY lsn, seq"


@pytest.fixture
def notes(lab: Medallion) -> Medallion:
    lab.declared = Tables((NOTE,))
    run(lab, MADE, "ALTER TABLE note_old REPLICA IDENTITY FULL; ALTER TABLE note_new REPLICA IDENTITY FULL")
    lab.capture(resnapshot=True, yes=True)
    return lab


def left(lab: Medallion) -> Counter[tuple]:
    """The rows that bronze's changes leave, each as often as it is there."""
    there: Counter[tuple] = Counter()
    for op, *row in rows(lab, "SELECT op, full_row ->> 'day', full_row ->> 'body', full_row ->> 'amount' "
                              "FROM bronze.br_note_cdc ORDER BY lsn, seq"):  # fmt: skip
        if op == "T":
            there.clear()
        else:
            assert op in "IRD"
            there[tuple(row)] += -1 if op == "D" else 1
    return +there


def at_source(lab: Medallion) -> Counter[tuple]:
    with server.session(lab.source_url) as cursor:
        cursor.execute("SELECT day::text, body, amount::text FROM note")
        return Counter(cursor.fetchall())


def test_an_update_lands_as_the_row_that_went_and_the_row_that_came(notes: Medallion) -> None:
    run(notes, "UPDATE note SET amount = amount + 1", "INSERT INTO note SELECT '2024-05-05', 'new' FROM generate_series(1, 2)",
        "DELETE FROM note WHERE day = '2023-05-05'", "UPDATE note SET body = 'one' WHERE ctid = (SELECT min(ctid) FROM note_new)")  # fmt: skip
    notes.capture(merging=True)
    first, *changes = rows(notes, CHANGES)
    assert first[0] == "T"
    assert sorted(changes[:2]) == [("R", "new", None), ("R", "old", "1.0")]
    assert changes[2:6] == [("D", "old", "1.0"), ("I", "old", "2.0"), ("D", "new", None), ("I", "new", None)]
    assert changes[6:] == [("I", "new", None), ("I", "new", None), ("D", "old", "2.0"), ("D", "new", None), ("I", "one", None)]
    assert left(notes) == at_source(notes)
    assert notes.verify() == []
    assert "note" not in str([*notes.rebuild(), *notes.merge()])


def test_it_is_searched_by_no_column_and_a_resnapshot_begins_it_anew(notes: Medallion) -> None:
    found = rows(notes, "SELECT indexdef FROM pg_indexes WHERE tablename = 'br_note_cdc' ORDER BY 1")
    assert [index.partition(" USING ")[2] for (index,) in found] == ["btree (lsn, seq) WHERE (op = 'T'::bpchar)", "btree (lsn, seq)"]
    run(notes, "DELETE FROM note WHERE body = 'old'")
    notes.capture(resnapshot=True, yes=True)
    assert [op for op, *_ in rows(notes, CHANGES)] == [*"TRRTR"]
    assert left(notes) == at_source(notes)


def test_rows_that_are_not_logged_whole_are_refused(notes: Medallion) -> None:
    run(notes, "ALTER TABLE note_new ALTER day SET NOT NULL, ADD UNIQUE (day)",
        "ALTER TABLE note_new REPLICA IDENTITY USING INDEX note_new_day_key; INSERT INTO note VALUES ('2025-01-01', 'key alone')")  # fmt: skip
    assert "does not log which row" in refused(notes.capture)
    assert "ALTER TABLE note_new REPLICA IDENTITY FULL" in refused(notes.capture, resnapshot=True, yes=True)


def test_it_can_have_no_history() -> None:
    assert "Table note has no key" in refused(Table, "note", (), history="note_hist")


day = st.sampled_from(["2023-01-01", "2023-02-02", "2024-01-01"])
statement = st.one_of(
    st.builds("INSERT INTO note VALUES ('{}', '{}', {})".format, day, st.sampled_from("ab"), st.sampled_from(["1", "1.0", "NULL"])),
    st.builds("UPDATE note SET body = '{}' WHERE day = '{}'".format, st.sampled_from("ab"), day),
    st.builds("UPDATE note SET day = '{}' WHERE body = '{}'".format, day, st.sampled_from("ab")),
    st.builds("DELETE FROM note WHERE ctid IN (SELECT ctid FROM note WHERE day = '{}' LIMIT 1)".format, day),
    st.sampled_from(["TRUNCATE note_old", "TRUNCATE note_new", "TRUNCATE note"]),
)


def test_what_changes_leave_is_what_the_source_has(notes: Medallion) -> None:
    """Also where partitions are emptied, and rows are there several times."""

    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.lists(statement, min_size=1, max_size=4), min_size=1, max_size=4))
    def is_left(history: list[list[str]]) -> None:
        run(notes, *map("; ".join, history))
        notes.capture()
        assert left(notes) == at_source(notes)

    is_left()
