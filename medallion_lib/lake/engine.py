"""Which engine: Sail, in this process, or the Spark of `SPARK_REMOTE`. Both speak Spark Connect."""

import os
import sys
import warnings
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any

from medallion_lib.errors import refusal

# Spark's own way to write an instant does not say that it is one: another engine takes it for a
# time without a zone.
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true",
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}  # fmt: skip


@cache
def session() -> Any:
    """A session of the engine, in UTC; the same one each time.

    Sail listens on a port of 127.0.0.1 of its own choice as long as the process lives.
    Raises MedallionError where none is installed, or the one that is named does not answer.
    """
    if not find_spec("pyspark") or not (find_spec("pysail") or "SPARK_REMOTE" in os.environ):
        raise refusal("no lake engine")
    remote = os.environ.get("SPARK_REMOTE")
    # What pyspark tells of pandas, which is not used here, is left out.
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        return _connected(remote or "sc://{}:{}".format(*_sail().listening_address))


def _connected(url: str) -> Any:
    # Under `python -c`, where there is no spec, pyspark takes itself for a run of its own tests and
    # ends it. A name in the spec would be what multiprocessing has other processes run.
    main = sys.modules["__main__"]
    main.__spec__ = main.__spec__ or ModuleSpec(None, None)
    from pyspark.sql.connect.session import SparkSession  # the other one sets variables

    try:
        spark = SparkSession.builder.remote(url).create()
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
    except Exception as problem:
        reason = str(problem).strip().splitlines()[0]
        raise refusal("engine not reached", url=url, reason=reason) from problem
    return spark


@cache
def _sail() -> Any:
    """It runs until the process ends."""
    os.environ.setdefault("RUST_LOG", "off")  # errors come back to who asked
    # It removes a session that was idle for 15 minutes, such as that of a notebook being read.
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(365 * 86_400))
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    return server
