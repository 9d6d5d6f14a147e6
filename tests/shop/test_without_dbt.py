"""The core and chapters 0 to 4 need neither dbt nor Parquet."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medallion_lib import Medallion

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(ROOT.glob("notebooks/0[0-4]_*.ipynb"))
EXTRA = {"dbt", "pyarrow"}
FURTHER = {"medallion_lib.shop.star", "medallion_lib.batch", "medallion_lib.lake"}
LIBRARY = [path for path in ROOT.glob("medallion_lib/**/*.py")
           if path.parent.name not in {name.split(".")[-1] for name in FURTHER}]
CORE = [*LIBRARY, *ROOT.glob("notebooks/*.py"), *ROOT.glob("notebooks/charts/*.py")]
# Python runs this before anything else, in kernels too.
BLOCKED = f"""
import sys

class Missing:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {EXTRA}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def imports(source: str) -> set[str]:
    """Every module that is named, with what it is imported from before it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def cells(notebook: Path) -> str:
    """The Python of a notebook, without its magics."""
    code = [cell["source"] for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"]
    return "\n".join("".join(lines) for lines in code if not "".join(lines).startswith("%%"))


def test_the_core_and_the_chapters_import_nothing_of_it() -> None:
    assert len(CHAPTERS) == 7 and len(CORE) > 30
    for path in (*CORE, *CHAPTERS):
        named = imports(cells(path) if path in CHAPTERS else path.read_text(encoding="utf-8"))
        assert not {name.split(".")[0] for name in named} & EXTRA, path.name
        assert not any(name == each or name.startswith(f"{each}.") for name in named for each in FURTHER), path.name


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    """An environment in which dbt and Parquet are not to be found."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    return os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'notebooks'}"}


@pytest.mark.slow
def test_the_year_is_made_and_asked_without_it(lab: Medallion, without: dict[str, str]) -> None:
    asks = (
        "import cells, charts\n"
        "from medallion_lib import Medallion\n"
        f"lab = Medallion.open({lab.name!r})\n"
        "lab.reset(year=True)\n"
        "assert lab.receipt('vw_monthly_revenue', '2023-07-01', store_id=5, revenue_month='2023-06-01').rows\n"
        "try:\n    import dbt\nexcept ModuleNotFoundError:\n    print('without')\n"
    )
    done = subprocess.run([sys.executable, "-c", asks], env=without, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("without\n", 0), done.stderr


@pytest.mark.slow
def test_the_chapters_run_without_it(without: dict[str, str]) -> None:
    run = [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider", *CHAPTERS]
    done = subprocess.run(run, cwd=ROOT, env=without | {"MEDALLION_NAME": "without"}, capture_output=True, text=True)
    assert f"{len(CHAPTERS)} passed" in done.stdout, done.stdout
