"""A backup that is restored elsewhere answers as before, and goes on with its gap marked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from medallion_lib import Medallion, MedallionError, databases, server


@contextmanager
def elsewhere(lab: Medallion) -> Iterator[Medallion]:
    """Another warehouse's name on the tests' server, with the same source rows behind another slot."""
    other = Medallion(lab.place, f"{lab.name}_else")
    other.reset(yes=True)
    try:
        yield other
    finally:
        other.close()
        other.drop()


def program(lab: Medallion, name: str, database: str, *words: str, stdin: bytes | None = None) -> bytes:
    """One of PostgreSQL's programs on a database of the embedded server."""
    asked = [str(lab.place.binaries / name), "-h", str(lab.place.socket_dir), "-U", "medallion", "-d", database, *words]
    return subprocess.run(asked, input=stdin, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}).stdout


def asked(lab: Medallion, query: str) -> list[tuple]:
    with lab.warehouse.connect() as notebook:
        return [tuple(row) for row in notebook.exec_driver_sql(query)]


HELD = {
    "silver": "SELECT film_id, title, length, sys_start, sys_end FROM dim_film_hist ORDER BY film_id, sys_start",
    "own": "SELECT item, amount, sys_start, sys_end FROM price FOR SYSTEM_TIME ALL ORDER BY 1, 3",
    "gold": "SELECT * FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '2023-01-03' ORDER BY 1, 2",
}


def test_a_backup_restored_elsewhere_answers_as_before_and_goes_on_by_a_snapshot(lab: Medallion) -> None:
    lab.replay("2023-01-04")
    lab.capture()
    lab.merge()
    with lab.warehouse.begin() as notebook:
        notebook.exec_driver_sql("CREATE TABLE price (item int PRIMARY KEY, amount int) WITH (system_versioning = true); INSERT INTO price VALUES (1, 10)")
    with lab.warehouse.begin() as notebook:
        notebook.exec_driver_sql("UPDATE price SET amount = 11")
    lab.prune("2023-01-02", yes=True)
    held = {name: asked(lab, query) for name, query in HELD.items()}
    assert len(held["own"]) == 2
    backup = program(lab, "pg_dump", lab.warehouse_name, "--format=custom")
    with elsewhere(lab) as other:
        with databases.administering(lab.place.url) as cursor:
            databases.drop(cursor, other.warehouse_name)
            databases.create(cursor, other.warehouse_name)
        program(lab, "pg_restore", other.warehouse_name, "--exit-on-error", stdin=backup)
        assert {name: asked(other, query) for name, query in HELD.items()} == held
        with pytest.raises(MedallionError, match=r"history of silver.dim_film_hist before .* was deleted"):
            asked(other, "SELECT count(*) FROM dim_film FOR SYSTEM_TIME AS OF '2023-01-01'")
        with pytest.raises(MedallionError, match="capture --resnapshot"):
            other.capture()
        with server.session(other.source_url) as shop:  # the source as it is now: it has lost all but one film
            shop.execute("INSERT INTO language (name) VALUES ('Latin'); INSERT INTO film (title, language_id) VALUES ('Only', 1)")
        before = other.status()["captured_until"]
        assert other.capture(resnapshot=True).rows > 0
        other.merge()
        assert other.verify() == []
        ended = f"SELECT count(*), min(sys_end) > '{before}' FROM dim_film_hist WHERE sys_end <> 'infinity' AND film_id > 1"
        assert asked(other, ended) == [(999, True)]  # what happened in between is dated with the snapshot
        assert asked(other, HELD["gold"]) == held["gold"]
        with other.warehouse.begin() as notebook:
            notebook.exec_driver_sql("UPDATE price SET amount = 12")
        assert len(asked(other, HELD["own"])) == 3
        assert not any(each.lost or each.gained for each in other.rebuild())
