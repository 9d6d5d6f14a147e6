"""One way to make a table versioned, and one hash of a row."""

from __future__ import annotations

import re
from collections.abc import Callable

from medallion_lib import Medallion, server, shop

TEXTS = "meta.row_hash(jsonb_object({}, ARRAY[{}]::text[]))"


def ask(lab: Medallion, query: str) -> list[tuple]:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


# --- The hash ----------------------------------------------------------------------------------


def test_a_row_has_the_hash_of_its_texts(lab_at: Callable[[str], Medallion]) -> None:
    """Also where the table has partitions, and its key other columns than files know a row by."""
    lab = lab_at("2023-01-05")
    lookups = {table.history: table.lookups for table in shop.TABLES.versioned}
    for name, looked_up in lookups.items():
        columns = [column for (column,) in ask(
            lab, f"SELECT attname FROM pg_attribute WHERE attrelid = 'silver.{name}'::regclass AND attnum > 0 "
            "AND attname <> ALL (meta.system_columns())") if column not in looked_up]  # fmt: skip
        texts = TEXTS.format(f"'{{{','.join(columns)}}}'", ", ".join(f"{column}::text" for column in columns))
        rows, same = ask(lab, f"SELECT count(*), count(*) FILTER (WHERE row_hash = {texts}) FROM silver.{name}")[0]
        assert rows == same > 20, name


def test_a_column_that_is_null_changes_no_hash_and_a_null_in_a_document_does(lab: Medallion) -> None:
    hashed = "SELECT meta.row_hash(jsonb_build_object({}))"
    one = "'id', '1', 'doc', '{\"a\": 1}'"
    (alone,), (null,), (within,) = (ask(lab, hashed.format(each))[0] for each in (
        one, one + ", 'added', NULL", one.replace("1}", '1, "b": null}')))  # fmt: skip
    assert alone == null != within


def test_the_merge_calls_no_function_for_the_hash(lab: Medallion) -> None:
    """Its body stands in the plan."""
    for table in shop.TABLES.versioned:
        statement = lab.merge_statement(table.history)
        assert "meta.row_hash(" in statement
        with server.session(lab.warehouse_url) as cursor:
            cursor.execute("EXPLAIN (VERBOSE) " + statement, {"since": 0, "upto": 1})
            plan = "\n".join(line for (line,) in cursor)
        assert "hashtextextended" in plan
        assert not re.search(r"row_hash\(", plan)
