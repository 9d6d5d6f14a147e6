"""Capture in another time zone opens no version.

test_story.py runs again, where the client and the server both live in another time zone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from medallion_lib import Medallion, server
from medallion_lib.server.embedded import Embedded

pytestmark = pytest.mark.long(1)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(
    params=[pytest.param(zone, marks=pytest.mark.slow) for zone in ("America/Los_Angeles", "Asia/Kolkata")]
)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """An environment in that zone, with a server of its own whose `timezone` is that zone too."""
    run = Path(tempfile.mkdtemp(prefix="medallion-zone-"))
    run.chmod(0o711)  # as root, the server's account has to reach its own directory inside
    place = Embedded(run / "home")
    try:
        place.start()
        move(place, request.param)
        yield environment(home=place.home, zone=request.param)
    finally:
        place.stop()
        shutil.rmtree(run)


def test_the_story_is_the_same_elsewhere(elsewhere: dict[str, str]) -> None:
    story = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/shop/test_story.py"]
    ran = subprocess.run(story, cwd=ROOT, env=elsewhere, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "skipped" not in ran.stdout


def move(place: Embedded, zone: str) -> None:
    with closing(server.connect(place.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET timezone = %s", (zone,))
            cursor.execute("SELECT pg_reload_conf()")
    with closing(server.connect(place.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_file_settings WHERE name = 'timezone' AND applied")
        assert cursor.fetchall() == [(zone,)]


def environment(home: Path, zone: str) -> dict[str, str]:
    """Ours, less what this run of pytest put there."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return ours | {"MEDALLION_TEST_HOME": str(home), "TZ": zone, "PGTZ": zone}


def test_a_capture_in_another_zone_opens_no_version(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.replay(until="2023-01-06")
    lab.capture()
    lab.merge()
    monkeypatch.setenv("PGTZ", "Asia/Kolkata")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    with lab.source.begin() as shop:
        touched = sum(
            shop.exec_driver_sql(f"UPDATE {table} SET staff_id = staff_id").rowcount
            for table in ("rental", "payment")
        )
    lab.capture()
    merged = lab.merge()
    assert sum(table.events for table in merged) == touched > 100
    assert sum(table.updated + table.history for table in merged) == 0
