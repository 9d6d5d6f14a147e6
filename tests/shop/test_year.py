"""`AS OF` instants all year, tables, views and marts equal copies of the source."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from oracle import Items
from test_batches import bronze, same, silver
from year import (
    COPIED,
    HISTORY,
    MARTS,
    MICROSECOND,
    RELATIONS,
    Stage,
    as_of,
    as_owner,
    ask,
    between,
    compare,
    differences,
    event_times,
    own_lab,
    played,
    today,
)

from medallion_lib import Medallion
from medallion_lib.shop.year import OPENING

pytestmark = pytest.mark.long(3)

EXACTLY = (  # at an event, which AS OF includes
    "2023-05-15 06:30:17",  # prices change
    "2023-06-30 15:21:17",  # a copy moves
    "2023-09-12 11:24:31",  # a film is withdrawn
    "2023-10-03 19:22:44",  # customer 42 has a new e-mail address
)
INSTANTS = sorted([
    OPENING - timedelta(hours=1),
    *(datetime(2023, month, 1, tzinfo=UTC) for month in range(1, 13)),
    *between("2023-07-09", 2),  # the day the late payments are posted
    *between("2023-12-10 10", 6),  # the year's busiest hour
    *(datetime.fromisoformat(f"{moment}+00:00") for moment in EXACTLY),
    datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC),
])  # fmt: skip
SOME = INSTANTS[::3]  # whose copies take make test a third of the time
MERGED_AFTER = 4  # stages


@dataclass
class Year:
    """The whole year, played in stages, and what was wrong while it was played."""

    lab: Medallion
    stages: list[Stage] = field(default_factory=list, repr=False)
    wrong_at_the_time: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=[
    pytest.param(SOME, id="some instants"), pytest.param(INSTANTS, id="all", marks=pytest.mark.slow)])
def year(request: pytest.FixtureRequest) -> Iterator[Year]:
    with own_lab("oracle") as lab:
        year, asked = Year(lab), 0
        for number, stage in enumerate(played(lab, request.param), 1):
            year.stages.append(stage)
            if number % MERGED_AFTER == 0:
                lab.merge()
                year.wrong_at_the_time += differences(lab, year.stages[asked:])
                asked = number
        lab.replay()
        lab.capture()
        lab.merge()
        yield year


def test_each_relation_as_of_a_stage_equals_the_source_as_it_stood_then(year: Year) -> None:
    assert year.wrong_at_the_time == []


def test_the_rest_of_the_year_changes_no_answer(
    year: Year, record_property: Callable[[str, object], None]
) -> None:
    assert differences(year.lab, year.stages) == []
    record_property("instants", len(year.stages))
    record_property("rows", sum(rows.total() for stage in year.stages for rows in stage.rows.values()))


@pytest.mark.slow
def test_the_marts_as_of_200_random_instants() -> None:
    """Some at an event, some a microsecond before one, some at any time at all."""
    chance, times = random.Random(2011), event_times()
    instants = {chance.choice(times) - chance.choice([0, 1]) * MICROSECOND for _ in range(100)}
    while len(instants) < 200:
        instants.add(times[0] + (times[-1] - times[0]) * chance.random())
    with own_lab("marts") as lab:
        stages = [
            (stage.instant, {mart: stage.rows[mart] for mart in MARTS})
            for stage in played(lab, sorted(instants))
        ]
        lab.replay()
        lab.capture()
        lab.merge()
        assert len(stages) == 200 and [
            f"{mart} AS OF {instant}: {difference}"
            for instant, marts in stages
            for mart, rows in marts.items()
            if (difference := compare(as_of(lab, mart, instant), rows))
        ] == []


def test_the_stages_are_many_and_some_are_minutes_apart(year: Year) -> None:
    instants = [stage.instant for stage in year.stages]
    busy = [at for at in instants if at.date() == datetime(2023, 12, 10).date()]
    assert (len(instants), len(busy)) in ((9, 2), (26, 6))
    assert busy[-1] - busy[0] < timedelta(hours=1)
    rentals = [stage.rows["fact_rental"] for stage in year.stages if stage.instant in busy]
    assert all(one != other for one, other in pairwise(rentals))


@pytest.mark.parametrize("relation", RELATIONS)
def test_some_stage_had_rows_that_are_no_longer_so(year: Year, relation: str) -> None:
    now = today(year.lab, relation)
    assert now and any(stage.rows[relation] - now for stage in year.stages)


def test_every_event_is_in_bronze_at_its_own_time(year: Year) -> None:
    names = ("customer", "film", "inventory", "rental", "payment")
    union = " UNION ".join(f"SELECT commit_ts FROM bronze.br_{name}_cdc" for name in names)
    with as_owner(year.lab) as warehouse:
        landed = {at for (at,) in ask(warehouse, union)}
    happened = {OPENING, *event_times()}
    assert sorted(landed - happened)[:3] == [], "no time was adjusted"
    assert sorted(happened - landed)[:3] == [], "no event was left out"


@pytest.mark.slow
def test_another_year_captured_and_merged_at_once_has_the_same_bronze_and_silver(year: Year) -> None:
    """But for positions in the log, landing times, and where a row lies."""
    with own_lab("at_once") as other:
        other.reset(year=True)
        with as_owner(other) as once, as_owner(year.lab) as in_stages:
            for one, another in zip(bronze(once), bronze(in_stages), strict=True):
                assert another == one
            same(silver(in_stages), silver(once))


def test_bronze_silver_and_gold_have_nine_tables_and_three_marts(year: Year) -> None:
    with as_owner(year.lab) as warehouse:
        made = ask(warehouse, """
            SELECT relnamespace::regnamespace::text, relname FROM pg_class
            WHERE NOT relispartition
              AND (relkind IN ('r', 'p')
                   AND relnamespace::regnamespace::text IN ('bronze', 'silver', 'gold')
                   OR relkind IN ('v', 'm') AND relnamespace = 'gold'::regnamespace)""")
    assert sorted(made) == sorted([
        *(("bronze", f"br_{name}_cdc") for name in COPIED),
        *(("silver", name) for name in HISTORY),
        *(("gold", name) for name in MARTS),
    ])  # fmt: skip


def test_every_store_has_revenue_in_every_month(year: Year) -> None:
    rows = today(year.lab, "vw_monthly_revenue")
    assert len(rows) == 84
    assert {row[:2] for row in rows} == {
        (store, datetime(2023, month, 1).date())
        for store in range(1, 8) for month in range(1, 13)
    }  # fmt: skip


def test_every_table_view_and_column_says_what_it_is(year: Year) -> None:
    with as_owner(year.lab) as warehouse:
        silent = ask(warehouse, """
            SELECT c.oid::regclass::text || '.' || a.attname
            FROM pg_class AS c
            JOIN pg_attribute AS a
              ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
              AND c.relnamespace::regnamespace::text IN ('bronze', 'silver', 'gold', 'meta')
              AND (trim(coalesce(col_description(c.oid, a.attnum), '')) = ''
                   OR trim(coalesce(obj_description(c.oid, 'pg_class'), '')) = '')""")
    assert silent == []


@pytest.mark.parametrize("table", HISTORY)
def test_a_key_has_one_row_at_a_time_and_one_current_row_at_most(year: Year, table: str) -> None:
    key = HISTORY[table][0]
    with as_owner(year.lab) as warehouse:
        assert ask(warehouse, f"""
            SELECT {key}, sys_start, sys_end, next_start
            FROM (SELECT *, lead(sys_start) OVER (PARTITION BY {key} ORDER BY sys_start, sys_end)
                         AS next_start
                  FROM silver.{table}) AS version
            WHERE sys_start >= sys_end OR sys_end > next_start""") == []
        assert ask(warehouse, f"""
            SELECT {key} FROM silver.{table} WHERE sys_end = 'infinity'
            GROUP BY {key} HAVING count(*) > 1""") == []


@pytest.mark.parametrize(("mart", "revenue"), [
    ("vw_monthly_revenue", "total_revenue"),
    ("vw_top_titles", "total_revenue"),
    ("vw_store_scorecard", "daily_revenue"),
])  # fmt: skip
def test_a_marts_revenue_adds_up_to_the_sources_payments(
    year: Year, mart: str, revenue: str
) -> None:
    with year.lab.source.connect() as shop, as_owner(year.lab) as warehouse:
        paid = shop.exec_driver_sql("SELECT sum(amount) FROM payment").scalar_one()
        assert ask(warehouse, f"SELECT sum({revenue}) FROM gold.{mart}") == [(paid,)]


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_has_the_oracles_columns_in_its_order(year: Year, mart: str) -> None:
    with year.lab.warehouse.connect() as warehouse:
        columns = list(warehouse.exec_driver_sql(f"SELECT * FROM {mart} LIMIT 0").keys())
    one = {name: [] for name in COPIED} | {
        "inventory": [{"inventory_id": 1, "film_id": 1, "store_id": 1}],
        "payment": [{"payment_id": 1, "rental_id": 1, "customer_id": 1, "amount": 1, "payment_date": OPENING}],
    }
    assert columns == list(MARTS[mart](one, Items())[0])
