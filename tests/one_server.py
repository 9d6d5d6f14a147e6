"""Run a command, and whatever it starts, on one server in a temporary directory.

`make test` runs so: what prepares the sample year first prepares it for the tests, the book, the
browser and the rehearsal, and a user's server stays untouched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medallion_lib.server.databases import administering
from medallion_lib.server.embedded import Embedded

OUR_HOME = "MEDALLION_TEST_HOME"  # set by the first process of a run, found by the others
# Linux's file system in memory. The tests make and drop hundreds of databases of 300 files each,
# which takes some file systems half a second each time.
MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes; a run was seen to use 0.7 GB


@contextmanager
def one_server() -> Iterator[None]:
    """A home for this process and those it starts; its server is stopped and removed at the end."""
    with directory() as run:
        os.environ[OUR_HOME] = str(run / "home")
        settle()
        place = Embedded(run / "home")
        try:
            _set(place)
            yield
        finally:
            place.stop()
            os.environ.pop(OUR_HOME)


# The tests kill processes, not the machine; what a process wrote outlives it without fsync. Nor is a
# page ever torn, so that none need be whole in the log, of which every capture reads all. To make, copy or
# drop a database, all of the shared memory is gone through: of that the tests' small ones need little.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


def _set(place: Embedded) -> None:
    """Start the server with the settings that are right for tests."""
    place.start()
    with administering(place.url) as cursor:
        for name, value in SETTINGS.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    place.stop()
    place.start()


@contextmanager
def directory() -> Iterator[Path]:
    """A new directory that the server's account can pass through, removed at the end."""
    in_memory = MEMORY if _is_fit(MEMORY) else None
    made = Path(tempfile.mkdtemp(prefix="medallion-", dir=in_memory))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _is_fit(path: Path) -> bool:
    """Whether it has room and may hold programs: root's server runs from a copy of its own."""
    if not os.access(path, os.W_OK):
        return False
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC


def settle() -> None:
    """Make the run's home the one that is used."""
    os.environ["MEDALLION_HOME"] = os.environ[OUR_HOME]
    os.environ.pop("MEDALLION_SERVER_URL", None)


if __name__ == "__main__":
    with one_server():
        sys.exit(subprocess.run(sys.argv[1:]).returncode)
