"""The engines: `make spark` puts Sail where a test that misses it is skipped and says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(sys.prefix, "spark")))

ENGINES = ["Sail", pytest.param("Spark", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=ENGINES)
def session(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A session of Sail; in make prove one of Spark on a JVM, too, by the variable that a user sets."""
    from jvm import own_spark

    from medallion_lib.lake import engine

    if request.param == "Sail":
        yield engine.session()
        return
    with own_spark() as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPARK_REMOTE", url)
            opened = engine.session.__wrapped__()
        yield opened
        opened.stop()
