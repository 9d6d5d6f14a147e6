"""Which type holds another's values, and which column a name of the log means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_lib import Medallion, server
from medallion_lib.source.evolution import numbered
from medallion_lib.source.types import holding, holds, widens
from medallion_lib.table import Column, Table

TYPES = {  # and values of each that its neighbours may not hold
    "smallint": ("-32768",), "integer": ("2147483647",), "bigint": ("9223372036854775807",), "numeric": ("1e30", "NaN"),
    "numeric(4,2)": ("99.99",), "numeric(6,2)": ("9999.99",), "numeric(6,4)": ("99.9999",), "numeric(12,1)": ("12345678901.5",),
    "real": ("0.1",), "double precision": ("0.1",), "boolean": ("true",), "uuid": ("6a0b1c9e-0000-4000-8000-000000000001",),
    "text": (" a ",), "character varying(3)": ("abc",), "character varying(9)": ("abc def g",), "character varying": ("a b",),
    "character(3)": ("ab",), "character(9)": ("ab",), "bit varying(3)": ("101",), "bit varying": ("1",), "bit(3)": ("101",),
    "date": ("2024-02-29", "infinity"), "timestamp(0) without time zone": ("2024-02-29 10:30:00",),
    "timestamp without time zone": ("2024-02-29 10:30:00.25",), "timestamp with time zone": ("2024-02-29 10:30:00.25+00",),
    "time(3) without time zone": ("10:30:00.125",), "time without time zone": ("10:30:00.123456",),
    "interval(0)": ("1 day 00:00:01",), "interval": ("1 day 00:00:01.5",), "integer[]": ("{1,2}",), "bigint[]": ("{9223372036854775807}",),
    "character varying(3)[]": ('{abc,"a,b"}',), "text[]": ('{"a ","b"}',), "json": ('{"a": 1, "a": 2}',), "jsonb": ('{"a": 2}',),
}  # fmt: skip


def test_a_type_widens_another_if_it_prints_each_of_its_values_alike() -> None:
    """By PostgreSQL's own casts; but for zeros at the end, and the blanks that fill a text."""
    pairs = [(old, new) for old in TYPES for new in TYPES if widens(old, new)]
    assert len(pairs) > 40
    with server.session(Medallion.open().place.url) as cursor:
        for old, new in pairs:
            for value in TYPES[old]:
                was, now = ("it::text" if each == "boolean" else f"concat(it::{each})" for each in (old, new))  # true, not t
                cursor.execute(f"SELECT {was}, {now}, it::{new} = {was}::{new} FROM (SELECT %s::{old}) AS its (it)", (value,))
                before, after, is_same = cursor.fetchone()
                assert is_same, (old, new, value)
                filled = after.rstrip("0").rstrip(".") if "." in after else after.rstrip(" ")
                assert before in (after, filled) or before.rstrip(" ") == filled, (old, new, value)
    assert not any(holds(new, old) is False for old, new in pairs)
    assert widens("character varying(3)[]", "text[]") and not widens("boolean[]", "text[]")
    assert not any(widens(new, old) for old, new in pairs if new not in ("text", "character varying"))


@pytest.mark.parametrize(("old", "new", "both"), [
    ("date", "timestamp with time zone", "timestamp with time zone"), ("bigint", "smallint", "bigint"),
    ("integer", "uuid", "text"), ("json", "jsonb", "jsonb"), ("date", "timestamp(0) with time zone", "text"),
    ("character(3)", "text", "text"), ("text", "integer", "text"),
])  # fmt: skip
def test_what_holds_the_values_of_both_is_the_wider_or_else_text(old: str, new: str, both: str) -> None:
    assert holding(old, new) == both


CHANGES = st.lists(st.tuples(st.sampled_from(["add", "drop", "rename"]), st.integers(0, 9)), max_size=8)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(before=CHANGES, since=CHANGES)
def test_a_name_is_never_taken_for_another_columns(before: list[tuple[str, int]], since: list[tuple[str, int]]) -> None:
    """Some columns are known, then some change, the log tells their names, and then some change again."""
    known = {1: "id", 2: "a", 3: "b"}
    fresh, last = iter(range(1000)), [3]

    def changed(columns: dict[int, str], changes: list[tuple[str, int]]) -> dict[int, str]:
        columns = dict(columns)
        for what, pick in changes:
            number = [*columns][pick % len(columns)]
            if what == "add":
                last[0] += 1
                columns[last[0]] = f"n{next(fresh)}"
            elif what == "rename":
                columns[number] = f"n{next(fresh)}"
            elif number > 1:
                del columns[number]
        return columns

    then = changed(known, before)
    now = changed(then, since)
    table = Table("t", ("id",), columns=tuple(Column(name, "text", number=number) for number, name in known.items()))
    numbers = {name: number for number, name in now.items()}
    found = numbered(table, [*then.values()], numbers, {*range(1, last[0] + 1)} - {*now})
    assert found in (None, [*then])
    if len(now) == last[0]:
        assert found == [*then], "where nothing was dropped, there is no doubt"
