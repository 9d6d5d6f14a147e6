"""Silver and gold of the year on an engine are PostgreSQL's, row for row, now and at its instants."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from psycopg2.extras import Json
from year import HISTORY, MARTS, as_owner, ask

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

import fsspec
from pyarrow import parquet

from medallion_lib import Medallion, MedallionError, lake
from medallion_lib.lake.place import Place
from medallion_lib.shop import TABLES

At = Callable[[str], Medallion]  # lab_at's
NOON = datetime(2023, 1, 9, 12, tzinfo=UTC)
INSTANTS = [NOON + timedelta(days=14 * number) for number in range(26)]
BOARD_PACK = datetime(2023, 7, 1, tzinfo=UTC)


class Year(NamedTuple):
    lab: Medallion
    there: lake.Lake


@pytest.fixture(scope="module")
def year(session: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    lab = Medallion.open(f"lake_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    lab.reset(year=True)
    place = tmp_path_factory.mktemp("year")
    lake.export(lab, place)
    there = lake.Lake(place, session)
    there.merge()
    yield Year(lab, there)
    lab.close()
    lab.drop()


def differing(year: Year, instant: datetime | None) -> list[str]:
    compared = {name: lake.compare(*year, name, instant) for name in (*HISTORY, *MARTS)}
    assert all(each.rows for each in compared.values())
    return [f"{name}: {each}" for name, each in compared.items() if each.missing or each.extra]


def test_silver_and_gold_are_those_of_postgresql(year: Year) -> None:
    """All versions of silver, and the marts as they are now."""
    assert differing(year, None) == []


@pytest.mark.parametrize("name", [*HISTORY, *MARTS])
def test_so_are_they_as_of_26_instants(year: Year, name: str) -> None:
    each = (f"SELECT {number} AS number, * FROM {name} FOR SYSTEM_TIME AS OF '{instant}'"
            for number, instant in enumerate(INSTANTS))  # fmt: skip
    compared = lake.compare(*year, f"({' UNION ALL '.join(each)}) AS at_each")
    assert compared.rows >= len(INSTANTS)
    assert compared[1:] == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("session", ["Spark"], indirect=True)
def test_what_one_engine_made_the_other_reads(year: Year, session: Any, tmp_path: Path) -> None:
    assert differing(Year(year.lab, lake.Lake(year.there.place.path)), BOARD_PACK) == []
    lake.export(year.lab, tmp_path)
    lake.Lake(tmp_path).merge()
    assert differing(Year(year.lab, lake.Lake(tmp_path, session)), BOARD_PACK) == []


def test_a_comparison_tells_of_a_row_that_differs(year: Year) -> None:
    change = "UPDATE silver.dim_film_hist SET length = length {} 1 WHERE film_id = 7 AND sys_end = 'infinity'"
    with as_owner(year.lab) as connection:
        for sign, differing in (("+", 1), ("-", 0)):
            with connection, connection.cursor() as cursor:
                cursor.execute(change.format(sign))
            assert lake.compare(*year, "dim_film")[1:] == (differing, differing)


@pytest.mark.parametrize(
    "clause",
    ["FOR SYSTEM_TIME FROM '2023-07-01' TO '2023-07-09'", "FOR SYSTEM_TIME BETWEEN '2023-07-01' AND '2023-07-09'",
     "FOR SYSTEM_TIME BETWEEN SYMMETRIC '2023-07-09' AND '2023-07-01'",
     "FOR SYSTEM_TIME CONTAINED IN ('2023-07-01', '2023-07-09')", "FOR SYSTEM_TIME ALL",
     "FOR SYSTEM_TIME AS OF '2023-07-01 05:30+05:30'"])  # fmt: skip
def test_each_form_of_the_clause_picks_the_same_versions(year: Year, clause: str) -> None:
    query = (f"WITH named AS (SELECT rental_id, film_id FROM fact_rental {clause} AS rented WHERE film_id > 5) "
             "SELECT count(*), sum(film_id), count(DISTINCT rental_id) FROM named")  # fmt: skip
    with year.lab.warehouse.connect() as warehouse:
        wanted = warehouse.exec_driver_sql(query).fetchone()
    (found,) = year.there.sql(query).collect()
    assert tuple(found) == tuple(wanted)
    assert wanted[0]


def test_a_view_over_a_period_and_a_name_that_is_none_are_refused(year: Year) -> None:
    with pytest.raises(MedallionError, match="never true together"):
        year.there.sql("SELECT * FROM vw_top_titles FOR SYSTEM_TIME ALL")
    with pytest.raises(MedallionError, match=r"no vw_home\. It has .*vw_top_titles"):
        year.there.sql("SELECT * FROM vw_home")


# --- In parts ------------------------------------------------------------------------------------


KILLED = """
import os, signal, sys
from medallion_lib import Medallion, lake, steps
name, place, step, number = sys.argv[1:]
seen = iter(range(int(number), -1, -1))
steps.on_step = lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == step and not next(seen) else None
lake.export(Medallion.open(name), place)
lake.Lake(place).merge()
"""


def killed(lab: Medallion, place: Path, step: str, number: int) -> None:
    """Export and merge in a process that is killed at the step of this name, for the given time."""
    run = subprocess.run([sys.executable, "-c", KILLED, lab.name, place, step, str(number)])
    assert run.returncode == -signal.SIGKILL


def is_whole(lab: Medallion, there: lake.Lake) -> None:
    for name in (*HISTORY, *MARTS):
        compared = lake.compare(lab, there, name)
        assert (name, compared.missing, compared.extra) == (name, 0, 0)


def changes(place: Path) -> dict[str, int]:
    """The rows of the files that the lake says it has, by table."""
    at = Place(place)
    return {name: sum(parquet.read_metadata(at.at(file)).num_rows for file in table["files"])
            for name, table in at.read("bronze")["tables"].items()}  # fmt: skip


def in_bronze(lab: Medallion, upto: int) -> dict[str, int]:
    names = [f"bronze.br_{table.name}_cdc" for table in TABLES.captured]
    with as_owner(lab) as connection:
        return {name: ask(connection, f"SELECT count(*) FROM {name} WHERE lsn < {upto}")[0][0] for name in names}


# The first export alone writes a file of each table: a day changes three of the five.
STEPS = [("export file written", 3), ("export file written", 0), ("export written", 0), ("export committed", 0),
         ("silver table written", 0), ("silver table written", 2), ("silver committed", 0)]  # fmt: skip


def check_kills(lab: Medallion, place: Path, steps: list[tuple[str, int]]) -> None:
    for day, (step, number) in enumerate(steps, 21):
        lab.replay(until=f"2023-01-{day}")
        lab.capture()
        lab.merge()
        killed(lab, place, step, number)
        if (stage := Place(place).read("bronze")) is not None:  # never ahead of its files
            assert changes(place) == in_bronze(lab, stage["lsn"])
        lake.export(lab, place)
        there = lake.Lake(place)
        there.merge()
        assert changes(place) == in_bronze(lab, 1 << 62)
        is_whole(lab, there)
    bronze, silver = (Place(place).read(stage) for stage in ("bronze", "silver"))
    assert bronze["lsn"] == silver["lsn"]
    named = {file for table in bronze["tables"].values() for file in table["files"]}
    assert set(Place(place).files("bronze")) == named, "what the killed left is gone"


def test_killed_and_run_again_all_is_there_once(lab_at: At, tmp_path: Path) -> None:
    check_kills(lab_at("2023-01-20"), tmp_path, [STEPS[0], STEPS[5]])


def test_what_was_looked_up_before_a_prune_is_so_in_a_lake_begun_after_it(lab_at: At, tmp_path: Path) -> None:
    """A lake that was begun before it goes on, with the versions that the warehouse has no more."""
    lab = lab_at("2023-03-20")
    before, after = tmp_path / "before", tmp_path / "after"
    lake.export(lab, before)
    lake.Lake(before).merge()
    lab.prune("2023-03-01", yes=True)
    for until in ("2023-03-20", "2023-03-25"):
        lab.replay(until=until)
        lab.capture()
        lab.merge()
        lake.export(lab, after)
        there = lake.Lake(after)
        there.merge()
        is_whole(lab, there)
    lake.export(lab, before)
    there = lake.Lake(before)
    there.merge()
    for name in (*HISTORY, *MARTS):
        assert lake.compare(lab, there, name, "2023-03-22")[1:] == (0, 0)
    assert lake.compare(lab, there, "fact_payment").extra


@pytest.mark.slow
def test_so_it_is_killed_at_any_step(lab_at: At, tmp_path: Path) -> None:
    check_kills(lab_at("2023-01-20"), tmp_path, STEPS)


OTHERS = """
import multiprocessing, sys
from medallion_lib.lake.engine import session
assert session().range(3).count() == 3
other = multiprocessing.get_context("forkserver").Process(target=print)
other.start()
other.join()
sys.exit(other.exitcode)
"""


IDLE = """
import time
from medallion_lib.lake.engine import session
assert session().range(3).count() == 3
time.sleep(3)
session().range(3).count()
"""


@pytest.mark.slow
@pytest.mark.parametrize("session", ["Sail"], indirect=True)
def test_an_idle_session_of_sail_is_kept(session: Any) -> None:
    """As long as no less is asked for; what is asked for is obeyed, so the setting is still the one."""
    assert int(os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"]) > 86_400
    path = os.pathsep.join([str(Path(sys.prefix, "spark")), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "SAIL_SPARK__SESSION_TIMEOUT_SECS": "1"}
    run = subprocess.run([sys.executable, "-c", IDLE], env=env, capture_output=True, text=True)
    assert "is not running" in run.stderr


def test_a_process_that_has_the_engine_starts_others() -> None:
    path = os.pathsep.join([str(Path(sys.prefix, "spark")), os.environ.get("PYTHONPATH", "")])
    assert subprocess.run([sys.executable, "-c", OTHERS], env=os.environ | {"PYTHONPATH": path}).returncode == 0


def test_exporting_and_merging_again_writes_nothing(year: Year) -> None:
    place = Path(year.there.place.path)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*.parquet")}
    assert not any(each.rows for each in lake.export(year.lab, place))
    assert [each.rows for each in year.there.merge()] == [5596, 1484, 31077, 16780]
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*.parquet")} == before


def test_a_lake_of_another_warehouse_is_refused(lab_at: At, tmp_path: Path) -> None:
    lab = lab_at("2023-01-20")
    lake.export(lab, tmp_path)
    with as_owner(lab) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE bronze.br_rental_cdc SET full_row = full_row || %s WHERE lsn = "
                       "(SELECT max(lsn) FROM bronze.br_rental_cdc)", (Json({"staff_id": 99}),))  # fmt: skip
    with pytest.raises(MedallionError, match="has changes of rental that this warehouse does not have"):
        lake.export(lab, tmp_path)


def test_an_export_goes_to_any_file_system(year: Year) -> None:
    url = f"memory://lakes/{Path(year.there.place.path).name}"
    assert sum(each.rows for each in lake.export(year.lab, url)) == 59_547
    assert sum(each.rows for each in lake.export(year.lab, url)) == 0
    here = fsspec.filesystem("memory")
    assert len(here.find(url)) == 6
    with pytest.raises(MedallionError, match="no silver yet"):
        lake.Lake(url).sql("SELECT 1")


def test_no_lake_is_told_so(tmp_path: Path, year: Year) -> None:
    with pytest.raises(MedallionError, match="There is no lake at"):
        lake.Lake(tmp_path)
    with pytest.raises(MedallionError, match="There can be no lake at nowhere://x"):
        lake.export(year.lab, "nowhere://x")
