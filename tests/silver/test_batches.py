"""However it is batched, a merge gives the same history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from psycopg2.extensions import connection as Connection
from year import COPIED, HISTORY, Rows, as_owner, ask, compare, own_lab

from medallion_lib import Medallion, databases
from medallion_lib.silver.merge import merge

pytestmark = pytest.mark.long(1)

BRONZE = " UNION ALL ".join(
    f"SELECT lsn, seq, '{name}' AS source, op, full_row, commit_ts FROM bronze.br_{name}_cdc"
    for name in COPIED
)
CAPTURED_AT = ("2023-02-14 12:00", "2023-05-05", "2023-09-12 11:24:31", None)
MERGED_AT = ("2023-05-05", "2023-09-12 11:24:31", None)


@pytest.fixture(scope="module")
def year() -> Iterator[Connection]:
    """The warehouse of the prepared year: replayed, captured and merged once."""
    with own_lab("batches") as lab:
        lab.reset(year=True)
        with as_owner(lab) as warehouse:
            ask(warehouse, "SELECT set_config('synchronous_commit', 'off', false)")
            yield warehouse


@pytest.fixture(scope="module")
def once(year: Connection) -> dict[str, Rows]:
    return silver(year)


@pytest.fixture(scope="module")
def in_stages() -> Iterator[Medallion]:
    """Another year, replayed in four goes, captured after each and merged after three.

    The source is vacuumed in between, as autovacuum does when it pleases.
    """
    with own_lab("stages") as lab:
        for until in CAPTURED_AT:
            lab.replay(until=until)
            vacuum(lab)
            lab.capture()
            if until in MERGED_AT:
                lab.merge()
        yield lab


@pytest.mark.parametrize("batches", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 100, 1000))])
def test_silver_merged_again_in_batches_is_the_same_in_every_row(
    year: Connection,
    once: dict[str, Rows],
    batches: int,
    record_property: Callable[[str, object], None],
) -> None:
    empty(year)
    assert silver(year) == {table: Counter() for table in HISTORY}
    for upto in boundaries(year, batches):
        merge(year, upto=upto)
    same(silver(year), once)
    record_property("merges", batches)
    record_property("rows", sum(rows.total() for rows in once.values()))


def test_merging_once_more_changes_nothing(year: Connection, once: dict[str, Rows]) -> None:
    assert {sum(merged[1:]) for merged in merge(year)} == {0}
    same(silver(year), once)


@pytest.mark.slow
def test_the_year_in_stages_gives_the_same_silver(
    in_stages: Medallion, once: dict[str, Rows]
) -> None:
    with as_owner(in_stages) as warehouse:
        same(silver(warehouse), once)


@pytest.mark.slow
def test_another_replay_gives_the_same_bronze_but_for_positions_and_landing_times(
    year: Connection, in_stages: Medallion
) -> None:
    with as_owner(in_stages) as warehouse:
        for one, other in zip(bronze(year), bronze(warehouse), strict=True):
            assert other == one


def vacuum(lab: Medallion) -> None:
    with databases.administering(lab.source_url) as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def silver(warehouse: Connection) -> dict[str, Rows]:
    """Every row of the four tables, system columns and partition included, as text."""
    rows = "SELECT tableoid::regclass::text, version::text FROM silver.{} AS version"
    return {table: Counter(ask(warehouse, rows.format(table))) for table in HISTORY}


def same(found: dict[str, Rows], wanted: dict[str, Rows]) -> None:
    assert {table: compare(found[table], wanted[table]) for table in HISTORY} == dict.fromkeys(
        HISTORY, "")


def bronze(warehouse: Connection) -> list[tuple[object, ...]]:
    """What was captured, in order; the how-manieth transaction stands for its position."""
    return ask(warehouse, f"""
        SELECT dense_rank() OVER (ORDER BY lsn), seq, source, op, full_row::text, commit_ts
        FROM ({BRONZE}) AS event ORDER BY lsn, seq""")


def empty(warehouse: Connection) -> None:
    """Silver as before its first merge: no rows and no months."""
    months = ask(warehouse, """
        SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent IN ('silver.fact_rental'::regclass, 'silver.fact_payment'::regclass)
          AND relname NOT LIKE '%default'""")
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute(f"DROP TABLE {', '.join(month for (month,) in months)}")
        cursor.execute(f"TRUNCATE {', '.join(f'silver.{table}' for table in HISTORY)}")
        cursor.execute("DELETE FROM meta.watermark WHERE stage = 'merge'")


def boundaries(warehouse: Connection, batches: int) -> list[int | None]:
    """Where commits begin that cut the year into this many parts; the last is bronze's end."""
    committed = ask(warehouse, f"SELECT DISTINCT lsn FROM ({BRONZE}) AS event ORDER BY lsn")
    cuts = [len(committed) * number // batches for number in range(1, batches)]
    return [*(committed[cut][0] for cut in cuts), None]
