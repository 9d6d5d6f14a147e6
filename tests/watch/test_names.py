"""Each table gets names of its own in the warehouse, whatever it is called at the source."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from medallion_lib.source.evolution import Found, evolved
from medallion_lib.system_time.forms import FORMS
from medallion_lib.tables import NONE, Table, Tables
from medallion_lib.watch.names import Names, spelled

PARTS = ("a", "b", "_", "_hist", "_cdc", "_pkey", "__as_of", "Ä", "😀", '"', ".", "%", "\n", "x" * 20, "é" * 15)
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join).filter(lambda name: len(name.encode()) <= 63)
TABLES = st.lists(st.tuples(st.sampled_from(["public", "sales", "é" * 31]), NAMES), unique=True, min_size=1, max_size=12)
IN_SILVER = ["", "_hist", *(form.suffix for form in FORMS), *(f"_hist{form.suffix}" for form in FORMS)]


def named(tables: list[tuple[str, str]], kept: Tables = NONE) -> dict[tuple[str, str], Table]:
    names = Names(kept, {schema for schema, _ in tables})
    found = {}
    for schema, name in sorted(tables, key=lambda each: (len(each[1]), each)):
        base = names.base(schema, name)
        bronze, silver = (names.layer(layer, schema) for layer in ("bronze", "silver"))
        found[schema, name] = Table(name, ("id",), schema, bronze, f"{base}_hist", silver, events=f"br_{base}_cdc")
    return found


def relations(tables: list[Table]) -> dict[str, list[str]]:
    """What is made in each schema; for an index of each history, as PostgreSQL would call it."""
    made = defaultdict(list)
    for each in tables:
        made[each.bronze_schema].append(each.events)
        made[each.silver_schema] += [each.history, each.history.removesuffix("_hist")]
        made[each.silver_schema].append(f"{each.history}_pkey")
    return made


@given(TABLES)
def test_no_two_tables_get_the_same_name(tables: list[tuple[str, str]]) -> None:
    for names in relations([*named(tables).values()]).values():
        assert len({*names}) == len(names)


@given(TABLES)
def test_every_name_that_is_made_has_at_most_63_bytes(tables: list[tuple[str, str]]) -> None:
    """With the longest of what FOR SYSTEM_TIME's functions add."""
    for each in named(tables).values():
        every = [each.bronze_schema, each.silver_schema, each.events]
        every += [each.history.removesuffix("_hist") + suffix for suffix in IN_SILVER]
        assert max(len(name.encode()) for name in every) <= 63


@given(TABLES)
def test_a_table_gets_the_same_names_again(tables: list[tuple[str, str]]) -> None:
    assert named(tables) == named([*reversed(tables)])


@given(TABLES, TABLES)
def test_a_table_that_is_added_takes_no_name_that_is_used(first: list, more: list) -> None:
    before = named(first)
    after = named([each for each in more if each not in first], Tables(tuple(before.values())))
    for names in relations([*before.values(), *after.values()]).values():
        assert len({*names}) == len(names)


def test_tables_of_public_alone_are_in_bronze_and_silver_and_of_several_schemas_in_their_own() -> None:
    alone = named([("public", "a")])
    assert (alone["public", "a"].bronze_schema, alone["public", "a"].silver_schema) == ("bronze", "silver")
    both = named([("public", "a"), ("sales", "a")])
    assert [each.silver_schema for each in both.values()] == ["silver_public", "silver_sales"]
    added = named([("public", "b"), ("sales", "a")], Tables(tuple(alone.values())))
    assert {name: each.silver_schema for (_, name), each in added.items()} == {"b": "silver", "a": "silver_sales"}
    added = named([("public", "b")], Tables(tuple(both.values())))
    assert added["public", "b"].bronze_schema == "bronze_public"


def test_a_table_keeps_its_own_name_if_it_can() -> None:
    found = named([("public", "a"), ("public", "a_hist"), ("public", "x" * 44), ("public", "x" * 45)])
    bases = {name: each.history.removesuffix("_hist") for (_, name), each in found.items()}
    assert [bases[each] for each in ("a", "x" * 44)] == ["a", "x" * 44]
    assert bases["a_hist"].startswith("a_hist_")
    assert bases["x" * 45].startswith("x" * 35 + "_")


def test_a_name_is_read_as_sql_reads_it_and_then_as_it_is() -> None:
    assert spelled("Sales.Item") == [("sales", "item"), ("Sales", "Item"), ("Sales.Item",)]
    assert spelled('sales."Odd.""Name"') == [("sales", 'Odd."Name'), ('sales."Odd.""Name"',)]
    assert spelled("Odd Name") == [("odd name",), ("Odd Name",)]
    assert spelled('a"b') == [('a"b',)]
    assert spelled(".") == [(".",)]


def test_a_column_called_as_the_systems_gets_another_name() -> None:
    columns = ["id", "sys_start", "sys_end", "sys_end_", "row_hash"]
    table, _ = evolved(Table("thing", "id"), [Found(*each, "text") for each in enumerate(columns, 1)])
    assert table.renamed == {"row_hash_": ("row_hash",), "sys_start_": ("sys_start",), "sys_end__": ("sys_end",)}
