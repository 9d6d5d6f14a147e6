"""`python -m medallion_lib …` in a process of its own that has Python and the package already.

To start Python and import the package takes a quarter of a second, which the tests would do a
hundred times. Here the process is forked from one that has imported the package and no more.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import medallion_lib
from medallion_lib.server.embedded import CHECKOUT

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["medallion_lib"])
PATIENCE = 60  # seconds


def run(*words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `python WORDS` does and prints until it exits; the first word is -m or -c."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        out.touch()
        err.touch()
        asked = (words, {**environment}, str(CHECKOUT), str(out), str(err))
        process = FORKS.Process(target=_python, args=asked, daemon=True)
        process.start()
        process.join(PATIENCE)
        told = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, PATIENCE, *told)
    return subprocess.CompletedProcess(words, process.exitcode, *told)


def _python(
    words: tuple[str, ...], environment: dict[str, str], checkout: str, out: str, err: str
) -> None:
    """With the package of the checkout that is tested, and none of the tests' own directories."""
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(checkout)
    own = checkout, str(Path(checkout, "tests"))
    sys.path[:] = [checkout, *(each for each in sys.path if os.path.dirname(each) not in own)]
    assert Path(medallion_lib.__file__).parent == Path(checkout, "medallion_lib")
    how, what, *rest = words
    sys.argv = [how, *rest]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
