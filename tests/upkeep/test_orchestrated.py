"""The orchestrator's definitions make every layer, and go no further where a check fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medallion_lib import Medallion, server
from medallion_lib.server.embedded import CHECKOUT
from medallion_lib.shop import star

DAGSTER = Path(sys.prefix, "dagster", "bin", "dagster")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DAGSTER.exists(), reason="the orchestrator is an extra: make dagster"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    opened = Medallion.open(f"dagster_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}", tables=star.TABLES)
    opened.reset(yes=True)
    yield opened
    opened.close()
    opened.drop()


def dagster(lab: Medallion, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What it does with the definitions, with a home of its own and nothing sent to its makers."""
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}", encoding="utf-8")
    told = {"DAGSTER_HOME": str(home), "MEDALLION_NAME": lab.name, "MEDALLION_PYTHON": sys.executable}
    command = [DAGSTER, *words, "-f", "deploy/definitions.py"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, env=os.environ | told, timeout=600)


def materialized(lab: Medallion, home: Path) -> tuple[int, str]:
    done = dagster(lab, home, "asset", "materialize", "--select", "*")
    return done.returncode, done.stdout + done.stderr


def change(lab: Medallion, statements: str) -> None:
    with server.session(lab.source_url) as shop:
        shop.execute(statements)


def counted(lab: Medallion, query: str) -> int:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def test_each_layer_is_made_of_the_one_below(lab: Medallion, tmp_path: Path) -> None:
    change(lab, "INSERT INTO language (name) VALUES ('Latin'); INSERT INTO film (title, language_id) VALUES ('One', 1)")
    failed, said = materialized(lab, tmp_path)
    assert not failed, said
    assert counted(lab, "SELECT count(*) FROM silver.dim_film") == 1
    assert counted(lab, "SELECT count(*) FROM star.dim_film WHERE title = 'One'") == 1
    for asset in ("bronze", "silver", "marts", "star"):
        assert f"Materialized value {asset}." in said
    assert said.count("ASSET_CHECK_EVALUATION") == 2


def test_nothing_is_made_of_silver_that_is_not_the_sources(lab: Medallion, tmp_path: Path) -> None:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE silver.dim_film_hist SET title = 'Another' WHERE sys_end = 'infinity'")
    failed, said = materialized(lab, tmp_path)
    assert failed
    assert "Materialized value silver." in said
    assert "Materialized value marts." not in said and "Materialized value star." not in said
    assert "'verified'" in said


def test_the_sensor_asks_for_a_run_where_changes_wait(lab: Medallion, tmp_path: Path) -> None:
    change(lab, "UPDATE film SET title = 'Two'")
    told = dagster(lab, tmp_path, "sensor", "preview", "changes_wait")
    assert told.returncode == 0 and "run request" in told.stdout.lower(), told.stdout + told.stderr
