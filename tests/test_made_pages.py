"""What the book's pages include: all of it is there, and true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made import dictionary
from year import as_owner, ask, own_lab

from medallion_lib import Medallion

LAYERS = "('bronze', 'silver', 'gold', 'meta')"


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    with own_lab("pages") as lab:
        lab.reset(year=True)
        yield lab


# The data dictionary


@pytest.fixture(scope="module")
def words(year: Medallion) -> str:
    return dictionary.page(year, Path())


def test_the_dictionary_tells_every_column_with_its_type_and_meaning(
    year: Medallion, words: str
) -> None:
    """Asked in another way than the page asks; a partition's columns are its table's."""
    with year.warehouse.connect() as warehouse:
        columns = warehouse.exec_driver_sql(f"""
            SELECT table_schema, table_name, column_name,
                   col_description((table_schema || '.' || table_name)::regclass, ordinal_position)
            FROM information_schema.columns WHERE table_schema IN {LAYERS}
              AND table_name !~ '_(2023_[0-9]{{2}}|default)$'""").all()
    assert len({column[:2] for column in columns}) >= 9 + 3 + 6 + 1
    for layer, table, column, meaning in columns:
        told = words.split(f"({dictionary.anchor(layer, table)})=\n### {table}\n")[1]
        row = next(line for line in told.splitlines() if line.startswith(f"| `{column}` *"))
        assert row.endswith(f"* | {meaning} |"), f"{table}.{column}"


def test_every_function_and_procedure_says_what_it_is(year: Medallion) -> None:
    with as_owner(year) as warehouse:
        silent = ask(warehouse, f"""
            SELECT oid::regprocedure::text FROM pg_proc
            WHERE pronamespace::regnamespace::text IN {LAYERS}
              AND obj_description(oid, 'pg_proc') IS NULL""")
    assert silent == []


def test_the_dictionary_says_what_takes_an_instant(year: Medallion, words: str) -> None:
    about = words.split("### dim_film_hist\n")[1].split("|")[0]  # up to its columns
    assert "FOR SYSTEM_TIME AS OF" in about
    assert "FOR SYSTEM_TIME" not in words.split("### watermark\n")[1]
