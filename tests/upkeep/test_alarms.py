"""An operator is told lag, log and alarms: cheaply, and by an exit code."""

from __future__ import annotations

import logging
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from test_commands import REMEDY, begin, change, command, done, refused

from medallion_lib import Medallion, databases, server
from medallion_lib.progress import Told, say
from medallion_lib.upkeep.alarms import Limits, alarms

WELL: dict[str, Any] = {"slot_state": "reserved, being read", "captured_until": "2023-01-01", "lag_seconds": 2, "wal_bytes_retained": 9,
                        "wal_bytes_limit": 100, "disk_bytes_free": 1 << 40}  # fmt: skip


@pytest.mark.parametrize(("facts", "told"), [
    ({}, []),
    ({"slot_state": "missing"}, ["slot missing: changes are lost since 2023-01-01: python -m medallion_lib capture --resnapshot"]),
    ({"slot_state": "lost"}, ["slot lost: changes are lost since 2023-01-01: python -m medallion_lib capture --resnapshot"]),
    ({"slot_state": "unreserved"}, ["slot unreserved: log that it needs may go with the next checkpoint; capture now"]),
    ({"lag_seconds": 301}, ["lag: bronze is up to 301 seconds behind, more than 300"]),
    ({"lag_seconds": None}, ["nothing captured yet"]),
    ({"wal_bytes_retained": 51}, ["log: the slot keeps 51 bytes, more than 50"]),
    ({"wal_bytes_retained": 51, "wal_bytes_limit": None}, []),
    ({"merge_refused": "A value does not fit\nmore"}, ["merge refused: A value does not fit"]),
    ({"versions_not_kept": ["t: trigger x"], "disk_bytes_free": 1}, ["versions not kept: t: trigger x", "disk: 1 bytes are free, less than 1,073,741,824"]),
])  # fmt: skip
def test_each_alarm_has_a_line(facts: dict[str, Any], told: list[str]) -> None:
    assert alarms(WELL | facts, Limits()) == told


def test_check_exits_with_2_where_the_slot_is_gone_and_is_well_again_after_the_remedy(lab: Medallion) -> None:
    lab.capture()
    lab.merge()
    assert done(lab, "status", "--check") == "All is well.\n"
    with databases.administering(lab.source_url) as shop:
        shop.execute("SELECT pg_drop_replication_slot(%s)", (lab.slot,))
    found = command(lab, "status", "--check")
    assert (found.returncode, found.stderr) == (2, "")
    assert found.stdout.startswith("slot missing: changes are lost since ")
    assert found.stdout.endswith(f"python -m medallion_lib --name {lab.name} capture --resnapshot\n")
    assert command(lab, "status").returncode == 0
    done(lab, "capture", "--resnapshot")  # the gap is there already, so it does not ask
    assert done(lab, "status", "--check") == "All is well.\n"


def test_check_tells_of_what_it_can_not_read(lab: Medallion) -> None:
    lab.drop()
    found = command(lab, "status", "--check")
    assert found.returncode == 2 and "There is no database" in found.stdout


def test_lag_is_of_changes_that_are_not_captured(lab: Medallion) -> None:
    lab.capture()
    assert lab.status()["lag_seconds"] <= 60
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE meta.watermark SET updated_at = updated_at - interval '1 hour'")
    assert 3600 <= lab.status()["lag_seconds"] < 3700
    assert command(lab, "status", "--check", "--max-lag", "9999").returncode == 0
    assert "lag: bronze is up to 3,6" in command(lab, "status", "--check").stdout


def test_rows_of_a_large_table_are_estimated_unless_asked_exactly(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.replay("2023-01-05")
    lab.capture()
    lab.merge()
    with databases.administering(lab.warehouse_url) as cursor:
        cursor.execute("ANALYZE")
    monkeypatch.setattr("medallion_lib.status.EXACT_UP_TO", 100_000)
    found, exact = lab.status(), lab.status(exact=True)
    assert {"bronze.br_customer_cdc", "bronze.br_inventory_cdc", "silver.dim_film_hist"} <= {*found["rows_estimated"]}
    assert "bronze.br_payment_cdc" not in found["rows_estimated"]
    assert "rows_estimated" not in exact
    assert {name: rows for name, rows in exact["rows"].items() if not name.startswith("gold.")} == found["rows"]  # just analyzed
    assert "rows, about" in str(found) and "rows, about" not in str(exact)


def test_metrics_are_openmetrics_and_say_what_status_says(lab: Medallion) -> None:
    lab.replay("2023-01-02")
    lab.capture()
    families = {each.name: each for each in text_string_to_metric_families(done(lab, "metrics"))}
    status = lab.status()
    values = {sample.labels["table"]: sample.value for sample in families["medallion_rows"].samples}
    assert values == status["rows"]
    ((_, labels, value, *_),) = families["medallion_events_not_merged"].samples
    assert (labels, value) == ({"warehouse": lab.name}, status["events_not_merged"])
    assert families["medallion_slot_ok"].samples[0].value == 1
    assert families["medallion_wal_limit_bytes"].samples[0].value == status["wal_bytes_limit"] == 4 << 30
    assert families["medallion_lag_seconds"].unit == "seconds"


@contextmanager
def listening(lab: Medallion) -> Iterator[str]:
    process = begin(lab, "metrics", "--listen", "127.0.0.1:0")
    try:
        line = process.stdout.readline()
        assert line.startswith("Listening on http://127.0.0.1:"), process.stderr.read()
        yield line.split()[2].removesuffix("/metrics")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out + err) == (0, "Stopped.\n")
    finally:
        process.kill()
        process.communicate()


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


def test_health_is_answered_where_it_is_asked_for_and_nowhere_else(lab: Medallion) -> None:
    lab.capture()
    lab.merge()
    with listening(lab) as url:
        assert answer(f"{url}/health") == (200, "ok\n")
        code, text = answer(f"{url}/metrics")
        assert code == 200 and text.endswith("# EOF\n")
        assert answer(f"{url}/other")[0] == 404
        with databases.administering(lab.source_url) as shop:
            shop.execute("SELECT pg_drop_replication_slot(%s)", (lab.slot,))
        code, text = answer(f"{url}/health")
        assert code == 503 and text.startswith("slot missing: ")
        assert text.endswith(f": {REMEDY} --name {lab.name} capture --resnapshot\n")
        lab.drop()
        for path in ("health", "metrics"):
            code, text = answer(f"{url}/{path}")
            assert code == 503 and f"\n    {REMEDY} --name {lab.name} reset\n" in text


def test_a_place_that_can_not_be_listened_on_is_refused(lab: Medallion) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for place in (f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:x", "no.such.host.invalid:1", "127.0.0.1:99999"):
            assert refused(lab, "metrics", "--listen", place).startswith(f"{place} can't be listened on: ")


def test_what_is_told_goes_through_logging_once_and_its_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    with caplog.at_level(logging.INFO, "medallion_lib"):
        told.over("Back again.")
        for _ in range(2):
            told("The server was lost. Waiting for it.")
        told.over("Back again.")
        told.over("Back again.")
        say("A column was added.")
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("WARNING", "The server was lost. Waiting for it."), ("INFO", "Back again."), ("WARNING", "A column was added.")]  # fmt: skip
