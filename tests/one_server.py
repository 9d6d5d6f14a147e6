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

from medallion_lib.embedded import Embedded

OUR_HOME = "MEDALLION_TEST_HOME"  # set by the first process of a run, found by the others


@contextmanager
def one_server() -> Iterator[None]:
    """A home for this process and those it starts; its server is stopped and removed at the end."""
    run = Path(tempfile.mkdtemp(prefix="medallion-test-"))
    run.chmod(0o711)  # as root, the server's account has to reach its own directory inside
    os.environ[OUR_HOME] = str(run / "home")
    settle()
    try:
        yield
    finally:
        Embedded(run / "home").stop()
        shutil.rmtree(run)
        os.environ.pop(OUR_HOME)


def settle() -> None:
    """Make the run's home the one that is used."""
    os.environ["MEDALLION_HOME"] = os.environ[OUR_HOME]
    os.environ.pop("MEDALLION_SERVER_URL", None)


if __name__ == "__main__":
    with one_server():
        sys.exit(subprocess.run(sys.argv[1:]).returncode)
