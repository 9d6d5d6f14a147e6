"""Apache Spark on a JVM: a Connect server of the test's own, from what `make jvm` brings."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from one_server import OUR_HOME

BROUGHT = Path(sys.prefix, "jvm")
HOME = BROUGHT / "pyspark"
MEMORY = "2g"  # of the heap
SETTINGS = {
    "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": 0,
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": 2,
}  # fmt: skip


@contextmanager
def own_spark() -> Iterator[str]:
    """The URL of a new server with two threads, which is stopped and removed afterwards.

    Workers have one after the other: each was seen to take 1.8 GB.
    """
    if not shutil.which("java"):
        pytest.skip("There is no Java here: apt install default-jdk-headless")
    if not (BROUGHT / "ready").exists():
        pytest.skip("There is no Spark for a JVM here: make jvm")
    turn = Path(os.environ[OUR_HOME]).with_name("spark.turn")
    with turn.open("w") as mine, TemporaryDirectory(prefix="medallion-spark-") as run:
        fcntl.flock(mine, fcntl.LOCK_EX)
        options = [f"--conf={name}={value}" for name, value in
                   (SETTINGS | {"spark.local.dir": run, "spark.sql.warehouse.dir": run}).items()]  # fmt: skip
        command = [HOME / "bin" / "spark-submit", "--master=local[2]", f"--driver-memory={MEMORY}", *options,
                   "--class=org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]  # fmt: skip
        log = Path(run, "log")
        with log.open("w") as said:
            server = subprocess.Popen(command, cwd=run, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                      env=os.environ | {"SPARK_HOME": str(HOME)})  # fmt: skip
        try:
            yield f"sc://{_address(server, log)}"
        finally:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    while not (found := re.search(r"Connect server started at: (\S+)\n", said := log.read_text())):
        if server.poll() is not None:
            raise RuntimeError(said[-2000:])
        time.sleep(0.1)
    return found[1]
