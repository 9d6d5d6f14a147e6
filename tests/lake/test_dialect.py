"""What sqlglot alone translates to something else means on an engine what it means here."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, MedallionError
from medallion_lib.lake.dialect import parsed, spark
from medallion_lib.lake.types import FOREVER

T = "'2023-03-05 23:30:00.000001+00'::timestamptz"
U = "'2023-03-01 22:00:00+00'::timestamptz"
ROWS = "(VALUES (1, 2.50::numeric(4,2)), (1, 2.51::numeric(4,2)), (2, 0.01::numeric(4,2)), (2, NULL)) AS t (k, v)"
CONSTRUCTS = {
    "a time in UTC": f"SELECT ({T} AT TIME ZONE 'UTC')::date, date_trunc('month', {T} AT TIME ZONE 'UTC'::text)::date",
    "the seconds between": f"SELECT extract(epoch FROM ({T} - {U})), extract(year FROM {T})::integer",
    "a mean of seconds": f"SELECT round(sum(extract(epoch FROM {T} - {U})) / (86400 * count(*))::numeric, 2)",
    "an interval of days": f"SELECT {T} - {U} > make_interval(days => 4), {T} - {U} > make_interval(days => (5)::integer)",
    "rows compared": "SELECT (1, 2) < (1, 3), (1, 2) <= (1, 2), (2, 0) > (1, 9), (1, 2, 3) >= (1, 2, 4)",
    "a number without bounds": "SELECT round(2::numeric / 3::numeric, 2), round((100.0 * 1::numeric) / 8::numeric, 2)",
    "a half rounded": "SELECT round(1::numeric / 8::numeric, 2), round(-1::numeric / 8::numeric, 2), round(9::numeric / 40::numeric, 2)",
    "a quotient just below a half": "SELECT round(12499999::numeric / 100000000::numeric, 2)",
    "a mean": f"SELECT k, round(avg(v), 2) FROM {ROWS} GROUP BY k ORDER BY k",
    "no mean": f"SELECT round(avg(v), 2) FROM {ROWS} WHERE k = 3",
    "a text that is said to be one": "SELECT 'Store '::text || 5",
    "the first of each": f"SELECT DISTINCT ON (k) k, v FROM {ROWS} ORDER BY k, v DESC NULLS LAST",
    "what comes before the first": f"SELECT k, lag(v, 1, v) OVER (PARTITION BY k ORDER BY v) FROM {ROWS} WHERE v IS NOT NULL ORDER BY k, v",
    "a filter": f"SELECT count(*) FILTER (WHERE v > 1), count(DISTINCT k) FROM {ROWS}",
    "nulls alike": "SELECT NOT (NULL::integer IS DISTINCT FROM NULL::integer), NOT (1 IS DISTINCT FROM NULL)",
    "a part made once": "WITH a AS NOT MATERIALIZED (SELECT 1 AS one) SELECT one FROM a",
}  # fmt: skip


@pytest.fixture
def cursor(lab: Medallion) -> Any:
    from medallion_lib import server

    with server.session(lab.warehouse_url) as opened:
        yield opened


def asked(session: Any, query: str) -> list[tuple[Any, ...]]:
    found = session.sql(spark(parsed(query))).toArrow()
    return [*zip(*(each.to_pylist() for each in found), strict=True)]


def test_each_means_the_same(session: Any, cursor: Cursor) -> None:
    differing = {}
    for name, query in CONSTRUCTS.items():
        cursor.execute(query)
        wanted = cursor.fetchall()
        try:
            found = asked(session, query)
        except Exception as problem:  # all of them are told
            found = str(problem)[:200]
        if wanted != found:
            differing[name] = (wanted, found)
    assert differing == {}


def test_infinity_is_the_last_instant_there_is(session: Any) -> None:
    ((last,),) = asked(session, "SELECT 'infinity'::timestamptz")
    assert last == datetime.fromisoformat(FOREVER).replace(tzinfo=UTC)


def test_a_change_s_members_are_its_row_s_fields(session: Any) -> None:
    query = """SELECT (full_row ->> 'price')::numeric AS price, meta.row_hash(full_row ->> 'row_hash') AS hash,
                      NULL::"silver"."fact_payment" AS nothing
               FROM {rows} AS change"""  # fmt: skip
    sql = spark(parsed(query.replace("{rows}", "change_of_a_test")))
    session.sql("SELECT named_struct('price', 1.50, 'row_hash', 7) AS full_row").createOrReplaceTempView("change_of_a_test")
    (found,) = session.sql(sql).collect()
    assert tuple(found) == (Decimal("1.50"), 7, None)


def test_a_row_of_json_is_a_change_s_row(session: Any) -> None:
    query = "SELECT (full_row ->> 'price')::numeric FROM (SELECT jsonb_build_object('id', 7, 'price', 1.50) AS full_row) AS change"
    assert asked(session, query) == [(Decimal("1.50"),)]


def test_an_array_beside_a_row_is_a_join(session: Any) -> None:
    query = """WITH before AS (SELECT NULL::integer AS k WHERE false),
                    event AS (SELECT * FROM (VALUES (1, 1), (2, 1), (3, 2)) AS e (lsn, k)),
                    cut AS (SELECT * FROM (VALUES (3), (9)) AS c (lsn))
               SELECT known.*, cut.lsn FROM cut CROSS JOIN LATERAL unnest(ARRAY(
                   SELECT ROW(k) FROM (SELECT k FROM before UNION SELECT k FROM event WHERE (lsn) < (cut.lsn)) AS earlier
               )) AS known (k integer)"""  # fmt: skip
    assert sorted(asked(session, query)) == [(1, 3), (1, 9), (2, 9)]


@pytest.mark.parametrize("sql", [f"SELECT {T} AT TIME ZONE 'Asia/Kolkata'", f"SELECT extract(epoch FROM {T})",
                                 f"SELECT {T} - {U} > interval '1 month'", f"SELECT {T} - {U} > make_interval(months => 1)"])  # fmt: skip
def test_what_would_mean_something_else_is_refused(sql: str) -> None:
    with pytest.raises(MedallionError, match="An engine would not take this as PostgreSQL does"):
        spark(parsed(sql))
