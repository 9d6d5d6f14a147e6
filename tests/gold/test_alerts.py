"""Rules on gold tell of each row that is new, once, to the log and to who listens."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from evolving import asked, end, run
from evolving import begin as made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from test_commands import begin, wait_until

from medallion_lib import Medallion, server
from medallion_lib.gold.alerts import CHANNEL, Alerts
from medallion_lib.tables import Table

ACCOUNT = "CREATE TABLE account (id integer PRIMARY KEY, owner text, balance integer); INSERT INTO account VALUES (1, 'Ö''Ä%s', 5), (2, NULL, 5)"
RULE = """
CREATE VIEW alert_overdrawn AS SELECT id, owner, balance FROM account WHERE balance < 0;
CREATE VIEW alert_share AS SELECT id FROM account WHERE 10 / (balance - 7) > 9;
CREATE VIEW vw_account AS SELECT * FROM account"""
STEPS = st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 1)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medallion]:
    lab = Medallion.open(f"alerts_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    made(lab, ACCOUNT, Table("account", ("id",), history="account_hist"))
    place = tmp_path_factory.mktemp("rules")
    Path(place, "rules.sql").write_text(RULE, encoding="utf-8")
    assert lab.marts(place).refused == {}
    yield lab
    end(lab)


@pytest.fixture
def lab(opened: Medallion) -> Medallion:
    run(opened, "UPDATE account SET balance = 5, owner = 'Ö''Ä%s'; DELETE FROM account WHERE id > 2")
    opened.capture(merging=True)
    return opened


@pytest.fixture
def listening(lab: Medallion) -> Iterator[Connection]:
    """As the notebooks' role, which may listen."""
    with closing(server.connect(lab.notebook_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        yield connection


def heard(listening: Connection) -> list[dict]:
    with listening.cursor() as cursor:
        cursor.execute("SELECT")
    found = [json.loads(each.payload) for each in listening.notifies]
    listening.notifies.clear()
    return found


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_each_row_that_is_new_is_told_once(
    lab: Medallion, listening: Connection, caplog: pytest.LogCaptureFixture, rounds: list
) -> None:
    """The rows of each look, less those of the look before."""
    alerts, before, balances = Alerts(), set(), {}
    run(lab, "UPDATE account SET balance = 5; DELETE FROM account WHERE id > 2")
    for steps in rounds:
        for key, balance in steps:
            balances[key] = balance
            run(lab, f"INSERT INTO account VALUES ({key}, 'x', {balance}) ON CONFLICT (id) DO UPDATE SET balance = {balance}, owner = 'x'")
        lab.capture(merging=True)
        alerts.due = 0
        caplog.clear()
        with closing(server.connect(lab.warehouse_url)) as connection:
            alerts.look(connection)
            alerts.look(connection)  # not due again
        now = {(key, balance) for key, balance in balances.items() if balance < 0}
        rows = [(each["row"]["id"], each["row"]["balance"]) for each in heard(listening)]
        assert sorted(rows) == sorted(now - before)
        assert len(caplog.messages) == len(rows) and all(line.startswith("gold.alert_overdrawn at 20") for line in caplog.messages)
        before = now


def test_who_follows_tells_of_rules_with_the_instant_as_of_which_they_say_so(lab: Medallion, listening: Connection) -> None:
    process = begin(lab, "capture", "--follow", "--merge")
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.extend(process.stderr))
    reader.start()
    found: list[dict] = []

    def comes(rows: int) -> None:
        wait_until(lambda: found.extend(heard(listening)) or len(found) >= rows, 30)

    try:
        run(lab, "UPDATE account SET balance = -1 WHERE id = 1")
        comes(1)
        run(lab, "UPDATE account SET balance = 7 WHERE id = 2")  # the other rule divides by zero now
        run(lab, "INSERT INTO account VALUES (3, repeat('ö', 5000), -3)")
        comes(2)
        wait_until(lambda: any("division by zero" in line for line in told), 30)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        reader.join()
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == 0
    first, second = found
    assert (first["rule"], first["row"]) == ("alert_overdrawn", {"id": 1, "owner": "Ö'Ä%s", "balance": -1})
    assert second["row"] is None, "more than a notification takes"
    ((rows,),) = asked(lab, f"SELECT json_agg(it) FROM gold.alert_overdrawn__as_of('{first['at']}') AS it")
    assert rows == [first["row"]]
    lines = "".join(told)
    at = re.search(r'WARNING gold.alert_overdrawn at (\S+ \S+): {"id": 1, "owner": "Ö\'Ä%s", "balance": -1}', lines)[1]
    assert datetime.fromisoformat(at) == datetime.fromisoformat(first["at"])
    assert lines.count("The rule gold.alert_share fails: division by zero") == 1
    assert lines.count("gold.alert_overdrawn") == 2 and "vw_account" not in lines
