"""A capture that follows for long, killed and restarted, loses nothing and does not grow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles

import psycopg2
import pytest
from sqlalchemy import URL
from test_commands import begin, wait_until

from medallion_lib import Medallion, MedallionError, databases, server

SECONDS = int(os.environ.get("MEDALLION_FOLLOW_SECONDS", "120"))  # make prove says 3600: an hour
A_SECOND = 500  # changes
ROUND = 15.0  # seconds between prunes; every other time capture is killed, and now and then the server
SERVER = 60  # rounds from one death of the server to the next; the first is early
ROWS = 2_000

pytestmark = [pytest.mark.slow, pytest.mark.long(4)]


class Writer(threading.Thread):
    """Changes, deletes and makes films, so many a second, each transaction five of them."""

    def __init__(self, url: URL) -> None:
        super().__init__(daemon=True)
        self.url, self.changes, self.ending = url, 0, threading.Event()

    def run(self) -> None:
        began, number = time.monotonic(), 0
        while not self.ending.is_set():
            try:
                with server.session(self.url, autocommit=True) as shop:
                    while not self.ending.is_set():
                        number += 1
                        key = number * 7 % ROWS + 1
                        shop.execute("UPDATE film SET length = %s WHERE film_id BETWEEN %s AND %s", (number % 30_000, key, key + 3))
                        self.changes += shop.rowcount
                        if number % 10 == 0:
                            shop.execute("DELETE FROM film WHERE film_id = %s", (key,))
                            shop.execute("INSERT INTO film (film_id, title, language_id) VALUES (%s, 'Again', 1)", (key,))
                            self.changes += 2
                        self.ending.wait(max(0.0, began + self.changes / A_SECOND - time.monotonic()))
            except (psycopg2.Error, MedallionError):  # the server was killed: find it again
                time.sleep(0.2)


@pytest.fixture
def own(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Medallion]:
    """On a server of its own, with films that the log names by their key."""
    monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
    lab = Medallion.open()
    lab.reset()
    with server.session(lab.source_url) as shop:
        shop.execute("ALTER TABLE film REPLICA IDENTITY DEFAULT; INSERT INTO language (name) VALUES ('Latin')")
        shop.execute("INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 FROM generate_series(1, %s) AS n", (ROWS,))
    lab.capture()
    lab.merge()
    yield lab
    lab.close()
    lab.place.stop()


def resident(pid: int) -> int:
    """Kilobytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to ask")
def test_it_loses_nothing_and_grows_no_more(own: Medallion, record_property: Callable[[str, object], None]) -> None:
    writer, lags, memory, sizes, rounds, deaths = Writer(own.source_url), [], [], [], 0, 0
    process = begin(None, "capture", "--follow", "--merge")
    writer.start()
    ends = time.monotonic() + SECONDS
    try:
        while time.monotonic() < ends:
            until = min(ends, time.monotonic() + ROUND)
            while time.monotonic() < until:
                time.sleep(0.5)
                lags.append(own.status()["lag_seconds"])
            assert process.poll() is None
            memory.append(resident(process.pid))
            rounds += 1
            own.prune(own.status()["history_is_final_until"], yes=True)
            with databases.administering(own.warehouse_url) as cursor:
                cursor.execute("SELECT pg_total_relation_size('bronze.br_film_cdc'), pg_total_relation_size('silver.dim_film_hist')")
                sizes.append(cursor.fetchone())
            if rounds % 2:
                process.kill()
                process.communicate()
                process = begin(None, "capture", "--follow", "--merge")
            elif rounds % SERVER == 4:
                pid = int((own.place.data / "postmaster.pid").read_text().split()[0])
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: server.connects(own.warehouse_url), 60)
                deaths += 1
    finally:
        writer.ending.set()
        writer.join()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    own.close()
    assert own.verify() == []
    assert not any(each.lost or each.gained for each in own.rebuild())
    # The server's death is among the early ones: what waited for it lands at once, and files keep their size.
    early, late = [*map(max, zip(*sizes[: len(sizes) // 2 + 2], strict=True))], sizes[-1]
    assert late[0] <= 1.5 * early[0] and late[1] <= 1.5 * early[1], sizes
    assert max(memory[len(memory) // 2 :]) <= 1.3 * max(memory[: len(memory) // 2]), memory
    figures = {"changes": writer.changes, "prunes": rounds, "kills": (rounds + 1) // 2 + deaths,
               "seconds of lag in 95 of 100": round(quantiles(lags, n=20)[-1], 1)}  # fmt: skip
    for name, value in figures.items():
        record_property(name, value)
    print(f"{figures} in {SECONDS} s; bronze and silver {sizes} bytes; memory {memory} kB")
