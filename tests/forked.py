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

from medallion_lib.embedded import CHECKOUT

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["medallion_lib"])
PATIENCE = 60  # seconds


def run(*words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `python WORDS` does and prints; the first word is -m or -c."""
    with tempfile.TemporaryDirectory() as place:
        told = [str(Path(place, name)) for name in ("out", "err")]
        process = FORKS.Process(target=_python, args=(words, {**environment}, *told))
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, PATIENCE)
        out, err = (Path(path).read_text(encoding="utf-8") for path in told)
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _python(words: tuple[str, ...], environment: dict[str, str], out: str, err: str) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(CHECKOUT)
    how, what, *rest = words
    sys.argv = [how, *rest]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
