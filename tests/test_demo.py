"""The five-minute demo passes beside another notebook, twice in a row. (Alone: make book.)"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "notebooks" / "00_five_minute_demo.ipynb"


@pytest.fixture(scope="module")
def copies() -> Iterator[list[Path]]:
    """Two notebooks, in the checkout, so that pytest finds the root conftest.py."""
    with tempfile.TemporaryDirectory(prefix=".failing-notebooks-", dir=ROOT) as folder:
        yield [Path(shutil.copy(DEMO, Path(folder) / name)) for name in ("one.ipynb", "two.ipynb")]


def test_two_notebooks_run_side_by_side_and_again(copies: list[Path]) -> None:
    ours = ("PYTEST_", "MEDALLION_NAME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbmake", "-n", "2", *map(str, copies)],
            cwd=ROOT, capture_output=True, text=True,
            env=kept | {"PYTHONPATH": str(DEMO.parent), "MEDALLION_NAME": "beside"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "2 passed" in done.stdout.splitlines()[-1]
