"""Nightly files and the log give the same current rows.

The extracts are real files of a source that stands at each night in turn.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from declared import differences, keys, mappers, printed, untyped
from sqlalchemy.orm import Session
from year import CURRENT, HISTORY, as_owner, ask, own_lab

from medallion_lib import Medallion, batch, databases, sqlfile
from medallion_lib.shop import year
from medallion_lib.batch.declared import SOURCES

NEW_YEAR = datetime(2023, 1, 1, tzinfo=UTC)
EVERY_NIGHT = [NEW_YEAR + timedelta(days=day) for day in range(1, 365 + 1)]
SOME_NIGHTS = [*EVERY_NIGHT[:2], *EVERY_NIGHT[19:90:20], EVERY_NIGHT[90]]  # to 2 April


@pytest.fixture
def shop() -> Iterator[Medallion]:
    with own_lab("feeds") as lab:
        batch.set_up(lab)
        yield lab


def played_to(lab: Medallion, nights: list[datetime]) -> Iterator[datetime]:
    """Each night once the replay stands there; in one session, for lab.replay reads the year anew."""
    lab.replay(until=nights[0])
    yield nights[0]
    with databases.administering(lab.source_url) as cursor, year.sample_year(1) as files:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute(sqlfile.read("shop/replay_event"))
        year._copy_csv(cursor, "event", files / "events.csv")
        for night in nights[1:]:
            cursor.execute("CALL replay.play(%s, 0)", (night,))
            yield night


def feed(lab: Medallion, nights: list[datetime], directory: Path) -> None:
    """Extract, load and merge each night, every seventh as Parquet; then capture the log."""
    for number, night in enumerate(played_to(lab, nights)):
        made = batch.extract(lab, directory, night, "parquet" if number % 7 == 6 else "csv")
        for loaded in batch.load_night(lab, made):
            assert not loaded.set_aside and not loaded.note, loaded
        batch.merge(lab)
        shutil.rmtree(made)
    lab.capture()
    lab.merge()


SAME = """
SELECT {table!r}, night::text FROM unnest(%s::timestamptz[]) AS night
WHERE (SELECT array_agg(hash ORDER BY hash)
       FROM (SELECT hashtextextended(ROW({columns})::text, 0) FROM silver.{table}__as_of(night)) AS log (hash))
      IS DISTINCT FROM
      (SELECT array_agg(hash ORDER BY hash)
       FROM (SELECT hashtextextended(ROW({columns})::text, 0) FROM silver_batch.{table}__as_of(night)) AS files (hash))
"""


def differing(lab: Medallion, nights: list[datetime], without: Sequence[tuple[str, str]] = ()) -> list[tuple]:
    """Tables and nights where the two silvers' rows are not the same, row_hash included."""
    found = []
    with as_owner(lab) as connection, connection.cursor() as cursor:
        for table, columns in CURRENT.items():
            compared = [name for name in (*columns, "row_hash") if (table, name) not in without]
            cursor.execute(SAME.format(table=table, columns=", ".join(compared)), (nights,))
            found += cursor.fetchall()
    return found


VERSIONS = """
WITH version AS (
    SELECT {key} AS key, row_hash, first, last
    FROM silver.{table},
         LATERAL (SELECT min(n), max(n) FROM unnest(%(nights)s::timestamptz[]) WITH ORDINALITY AS nights (night, n)
                  WHERE sys_start <= night AND night < sys_end) AS seen (first, last)
),
seen AS (
    SELECT row_hash = lag(row_hash) OVER by_time AND first = lag(last) OVER by_time + 1 AS is_same
    FROM version WHERE first IS NOT NULL
    WINDOW by_time AS (PARTITION BY key ORDER BY first)
)
SELECT (SELECT count(*) FROM version WHERE first IS NULL)::integer, (SELECT count(*) FROM seen WHERE is_same)::integer,
       (SELECT count(*) FROM version)::integer, (SELECT count(*) FROM silver_batch.{table})::integer
"""


def unseen(lab: Medallion, nights: list[datetime]) -> dict[str, int]:
    """By table, the versions that no night saw; each of the others, the extracts have."""
    found = {}
    with as_owner(lab) as connection, connection.cursor() as cursor:
        for table, (key, *_) in HISTORY.items():
            cursor.execute(VERSIONS.format(table=table, key=key), {"nights": nights})
            found[table], same, versions, by_files = cursor.fetchone()
            assert by_files == versions - found[table] - same
    return found


MONEY = """
SELECT max(abs(log - files)), sum(abs(log - files))
FROM generate_series('2023-01-02 12:00+00'::timestamptz, '2023-12-31 12:00+00', '1 day') AS noon,
     LATERAL (SELECT coalesce(sum(amount), 0) FROM silver.fact_payment__as_of(noon)) AS l (log),
     LATERAL (SELECT coalesce(sum(amount), 0) FROM silver_batch.fact_payment__as_of(noon)) AS f (files)
"""


CARRIED = (("fact_rental_current", "film_id"), ("fact_rental_current", "store_id"),
           ("fact_payment_current", "store_id"))  # fmt: skip
NOT_MOVED = """
SELECT count(*) FROM silver.fact_rental_current AS log
JOIN silver_batch.fact_rental_current AS files USING (rental_id)
WHERE (log.film_id, log.store_id) IS DISTINCT FROM (files.film_id, files.store_id)
  AND log.inventory_id NOT IN (SELECT (full_row ->> 'inventory_id')::integer FROM bronze.br_inventory_cdc
                               WHERE op = 'U')
"""


def undeclared(lab: Medallion) -> list:
    """What the printed models say otherwise than the database, and rows that are not as they say."""
    models = printed(lab.warehouse, "bronze_batch", "silver_batch")
    made = [each for each in mappers(models) if each.class_ is not models.Quarantine]
    assert len(made) == 3 - 1 + 2 * len(SOURCES) + 10
    with Session(lab.warehouse) as session:
        found = differences(session.connection(), models, "bronze_batch", "silver_batch")
        found += [each for model in made for each in untyped(session, model)]
        for model in made:
            rows = ", ".join(keys(model))
            twice = f"SELECT {rows} FROM {model.local_table} GROUP BY {rows} HAVING count(*) > 1"
            found += session.connection().exec_driver_sql(twice).all()
    return found


def test_on_some_nights_the_two_silvers_have_the_same_current_rows(
    shop: Medallion, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With weeks between the extracts, one thing differs: where an item was that moved meanwhile."""
    feed(shop, SOME_NIGHTS, tmp_path)
    assert differing(shop, SOME_NIGHTS, without=CARRIED) == []
    with as_owner(shop) as connection:
        assert ask(connection, NOT_MOVED) == [(0,)]
        assert ask(connection, "SELECT count(*) > 3000 FROM silver_batch.fact_payment_current") == [(True,)]
    assert undeclared(shop) == []
    missed = unseen(shop, SOME_NIGHTS)
    assert missed["dim_customer_hist"] and missed["fact_rental"]
    record_property("nights compared", len(SOME_NIGHTS))


@pytest.mark.slow
def test_on_all_365_nights_the_two_silvers_have_the_same_current_rows(
    shop: Medallion, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    feed(shop, EVERY_NIGHT, tmp_path)
    assert differing(shop, EVERY_NIGHT) == []
    missed = unseen(shop, EVERY_NIGHT)
    with as_owner(shop) as connection:
        ((most, total),) = ask(connection, MONEY)
        held = [ask(connection, f"SELECT count(*) FROM bronze_batch.br_{name}_batch")[0][0] for name in SOURCES]
        ((customers,),) = ask(connection, "SELECT count(*) FROM silver.dim_customer_hist")
        promised = ask(connection, "SELECT sum(rows) FROM bronze_batch.file")[0][0]
    print(f"versions no night saw: {missed}; at noon the files lag by up to {most}, {total} in all; "
          f"{promised:,} rows extracted, {sum(held):,} landed")  # fmt: skip
    assert missed == {"dim_customer_hist": 65, "dim_film_hist": 0, "fact_rental": 0, "fact_payment": 0}
    assert (str(most), str(total)) == ("186.54", "28468.43")
    assert (customers, round(total / 364)) == (5_596, 78), "as chapter 5 says"
    assert (promised, sum(held)) == (7_738_576, 59_463)
    record_property("nights compared", len(EVERY_NIGHT))
