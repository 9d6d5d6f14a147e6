"""The commands, each run in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import forked
import psycopg2
import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy import Engine, create_engine

from medallion_lib import Medallion, MedallionError, server
from medallion_lib.server.embedded import CHECKOUT

pytestmark = pytest.mark.long(1)


REMEDY = "python -m medallion_lib"


def begin(lab: Medallion | None, *words: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m medallion_lib WORDS` on the test's own databases."""
    named = ["--name", lab.name] if lab else []
    return subprocess.Popen(
        [sys.executable, "-m", "medallion_lib", *named, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment,
    )  # fmt: skip


def command(
    lab: Medallion | None, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same, to its end, without the wait for Python to start."""
    named = ["--name", lab.name] if lab else []
    return forked.run("-m", "medallion_lib", *named, *words, environment=os.environ | environment)


def typed(lab: Medallion, *words: str) -> str:
    """What it prints that ends well, begun as a shell begins it."""
    ended, out, err = to_its_end(begin(lab, *words))
    assert (ended, err) == (0, "")
    return out


def to_its_end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def refused(lab: Medallion | None, *words: str, **environment: str) -> str:
    """The message of a command that must fail, once it is shown to be one for a person.

    The commands in it name the warehouse that was named, and are given without that.
    """
    ended = command(lab, *words, **environment)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    if lab is None:
        return ended.stderr
    assert f"{REMEDY} " not in re.sub(f"{REMEDY} --name [a-z]", "", ended.stderr)
    return ended.stderr.replace(f"{REMEDY} --name {lab.name} ", f"{REMEDY} ")


def done(lab: Medallion, *words: str) -> str:
    """What a command printed that ended well."""
    ended = command(lab, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def change(engine: Engine, statement: str, *parameters: object) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement, parameters or None)


def wait_until(holds: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait for it; the seconds it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def bronze_count(lab: Medallion, table: str, where: str = "true") -> int:
    with lab.warehouse.connect() as connection:
        return connection.exec_driver_sql(
            f"SELECT count(*) FROM bronze.br_{table}_cdc WHERE {where}"
        ).scalar_one()


def test_from_nothing_to_gold_by_commands_alone(lab: Medallion) -> None:
    """Three of them and one that fails are begun as a shell begins them, and the others forked."""
    lab.drop()
    assert typed(lab, "up").startswith(f"PostgreSQL runs: {lab.place.place}")
    assert typed(lab, "reset").startswith("Reset: ")
    assert re.fullmatch(r"Replayed [1-9][\d,]* events\.\n", done(lab, "replay", "--until", "2023-01-04"))
    landed = re.fullmatch(r"Landed ([\d,]+) rows of ([\d,]+) transactions\.\n", typed(lab, "capture"))
    assert landed and int(landed[1].replace(",", "")) > 6000
    lines = done(lab, "merge").splitlines()
    assert lines[0].split() == ["table", "events", "inserted", "updated", "closed", "history"]
    merged = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert list(merged) == ["dim_customer_hist", "dim_film_hist", "fact_rental", "fact_payment"]
    assert merged["dim_film_hist"] == ["1,000", "1,000", "0", "0", "0"]
    assert done(lab, "capture") == "Landed 0 rows of 0 transactions.\n"
    assert all(set(line.split()[1:]) == {"0"} for line in done(lab, "merge").splitlines()[1:])
    assert done(lab, "status") and done(lab, "verify")
    ended, out, err = to_its_end(begin(lab, "replay", "--until", "yesterday"))
    assert (ended, out) == (1, "") and len(err.splitlines()) <= 3 and "'yesterday'" in err


def test_status_tells_a_person_and_a_program_the_same(lab: Medallion) -> None:
    fresh = json.loads(done(lab, "status", "--json"))
    assert fresh["history_is_final_until"] is None
    assert fresh["seconds_since_last_landing"] is None
    lab.replay("2023-01-03")
    lab.capture()
    lab.merge()
    change(lab.source, "INSERT INTO category (name) VALUES ('not captured')")
    facts, table = json.loads(done(lab, "status", "--json", "--exact")), done(lab, "status", "--exact")
    assert len(facts["rows"]) == 12
    for name, count in facts["rows"].items():
        assert re.search(rf"^{re.escape(name)} +{count:,} rows$", table, re.MULTILINE)
    assert facts["rows"]["silver.dim_film_hist"] == 1000
    assert facts["events_not_merged"] == 0
    assert facts["wal_bytes_not_captured"] > 0
    assert 0 <= facts["seconds_since_last_landing"] < 60
    assert facts["history_is_final_until"].startswith("2023-01-02")
    assert facts["captured_until"] == facts["history_is_final_until"]
    for name in facts.keys() - {"rows"}:
        assert re.search(rf"^{name.replace('_', ' ')}  +\S", table, re.MULTILINE)


def test_status_tells_of_a_table_that_has_lost_a_trigger(lab: Medallion) -> None:
    with lab.warehouse.begin() as notebook:
        notebook.exec_driver_sql("CREATE TABLE seat (id int PRIMARY KEY) WITH (system_versioning = true)")
    assert "versions_not_kept" not in lab.status()
    with server.session(lab.warehouse_url) as owner:
        owner.execute("ALTER TABLE scratch.seat DISABLE TRIGGER system_versioning_updated")
    assert lab.status()["versions_not_kept"] == ["scratch.seat: trigger system_versioning_updated"]
    assert "trigger system_versioning_updated" in str(lab.status())
    with lab.warehouse.begin() as notebook:
        notebook.exec_driver_sql("SELECT scd_system_versioned('seat')")
    assert "versions_not_kept" not in lab.status()


def test_status_counts_what_is_not_merged_yet(lab: Medallion) -> None:
    lab.replay("2023-01-02")
    landed = lab.capture()
    assert json.loads(done(lab, "status", "--json"))["events_not_merged"] == landed.rows


@pytest.mark.parametrize("which", ["source", "warehouse"])
def test_url_is_one_that_psql_takes(lab: Medallion, which: str) -> None:
    url = done(lab, "url", which).strip()
    name = {"source": lab.source_name, "warehouse": lab.warehouse_name}[which]
    assert parse_dsn(url)["dbname"] == name
    assert "+psycopg2" not in url
    connection = psycopg2.connect(url)
    assert connection.info.dbname == name
    connection.close()


@pytest.mark.parametrize(("options", "driver"), [((), "psycopg"), (("--sqlalchemy",), "psycopg2")])
def test_url_is_one_that_sqlalchemy_opens(lab: Medallion, options: tuple[str, ...], driver: str) -> None:
    """As it is printed: where a URL names no driver, SQLAlchemy 2.1 takes psycopg 3."""
    pytest.importorskip(driver, reason="psycopg 3 is in requirements-star.txt")
    url = done(lab, "url", *options, "warehouse").strip()
    with closing(create_engine(url).connect()) as connection:
        assert connection.engine.driver == driver
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == lab.warehouse_name


def test_follow_lands_a_live_change_and_stops_when_interrupted(lab: Medallion) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    process = begin(lab, "capture", "--follow")
    try:
        for title in ("One", "Two"):
            insert = "INSERT INTO film (title, language_id) VALUES (%s, 1)"
            change(lab.source, insert, title)
            arrived = f"full_row ->> 'title' = '{title}'"
            wait_until(lambda: bronze_count(lab, "film", arrived))  # noqa: B023
        change(lab.source, "UPDATE film SET length = 90 WHERE title = 'One'")
        took = wait_until(lambda: bronze_count(lab, "film", "op = 'U'"))
        assert took < 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, out + err) == (0, "Stopped. What was landed is kept.\n")
    assert lab.capture().rows == 0
    assert bronze_count(lab, "film") == 3


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to ask")
@pytest.mark.slow
def test_follow_waits_quietly_while_nothing_happens(lab: Medallion) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    change(lab.source, "INSERT INTO film (title, language_id) VALUES ('One', 1)")
    process = begin(lab, "capture", "--follow")
    try:
        wait_until(lambda: bronze_count(lab, "film"), 60)
        time.sleep(1)
        spent = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]))
        time.sleep(1)
        later = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]))
        assert process.poll() is None
        assert later - spent < 10  # hundredths of a second of processor time
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


def test_help_names_every_command() -> None:
    printed = command(None, "--help").stdout
    for name in ("up", "down", "reset", "replay", "load", "capture", "merge", "status", "url", "serve"):
        assert re.search(rf"^    {name} ", printed, re.MULTILINE)


def test_a_bad_instant_is_refused(lab: Medallion) -> None:
    message = refused(lab, "replay", "--until", "yesterday")
    assert "'yesterday'" in message
    assert "2023-07-01" in message
    for words in ("2023-13-01", "", "infinity"):
        with pytest.raises(MedallionError, match="is not an instant"):
            lab.replay(words)


def test_a_bad_name_is_refused() -> None:
    assert "'My-Shop' can't be a name here" in refused(
        None, "--name", "My-Shop", "status")  # fmt: skip
    for name in ("a b", "x" * 41, "é", "a;drop", "x\n"):
        with pytest.raises(MedallionError, match="can't be a name"):
            Medallion.open(name)


def test_without_databases_it_says_how_to_make_them(lab: Medallion) -> None:
    lab.drop()
    for words in (["status"], ["capture"], ["merge"], ["replay"]):
        assert f"{REMEDY} reset" in refused(lab, *words)
    # Who reads it may do so in another shell, such as a log's reader.
    assert f"{REMEDY} --name {lab.name} reset\n" in refused(None, "status", MEDALLION_NAME=lab.name)
