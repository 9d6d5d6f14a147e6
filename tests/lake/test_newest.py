"""The newest engine, client and translator give what those that are pinned give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

ROOT = Path(__file__).parents[2]
PINNED = {"pysail": "pysail", "pyspark-client": "pyspark", "sqlglot": "sqlglot"}  # and what is imported of each
ASKED = ("test_dialect.py", "test_histories_at_random.py", "test_lake.py::test_silver_and_gold_are_those_of_postgresql")
WHERE = f"import {', '.join(PINNED.values())}; print(*(each.__file__ for each in ({', '.join(PINNED.values())})))"


def put(wanted: Sequence[str], place: Path) -> dict[str, str]:
    """The versions that were put there, by name. What they need is that of the environment."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place, *wanted]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        pytest.skip(f"They can't be had here: {run.stderr.strip().splitlines()[-1]}")
    return {each.name: each.version for each in distributions(path=[str(place)])}


def check(place: Path) -> None:
    """Ask by what is there, in a process of its own, on databases of its own."""
    path = os.pathsep.join(map(str, (place, ROOT, Path(sys.prefix, "spark"))))
    env = os.environ | {"PYTHONPATH": path, "PYTEST_XDIST_WORKER": "newest"}
    found = subprocess.run([sys.executable, "-c", WHERE], env=env, capture_output=True, text=True, check=True)
    assert all(Path(each).is_relative_to(place) for each in found.stdout.split())
    command = [sys.executable, "-m", "pytest", "-q", *(f"tests/lake/{each}" for each in ASKED)]
    run = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:]


@pytest.mark.slow
def test_an_upgrade_changes_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    newest = put([*PINNED], tmp_path)
    for name, found in newest.items():
        record_property(f"the newest {name}", found)
    if newest == {name: version(name) for name in PINNED}:
        pytest.skip(f"These are the newest: {', '.join(map(' '.join, newest.items()))}")
    check(tmp_path)
