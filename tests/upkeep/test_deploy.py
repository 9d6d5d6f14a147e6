"""The unit and the container file, tried as far as a machine without systemd or containers can."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import wait_until

from medallion_lib import Medallion
from medallion_lib.__main__ import COMMANDS
from medallion_lib.parser import parser
from medallion_lib.server.embedded import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
INSTALLED = "/opt/medallion/.venv/bin/python"


def unit() -> str:
    return (DEPLOY / "medallion.service").read_text(encoding="utf-8").replace(INSTALLED, sys.executable)


def words(unit: configparser.ConfigParser, name: str) -> list[str]:
    return shlex.split(unit["Service"][name])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze to ask")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    file = tmp_path / "medallion.service"
    file.write_text(unit(), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_unit_starts_follows_and_what_it_stops_ends(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = configparser.ConfigParser(interpolation=None)
    service.optionxform = str
    service.read_string(unit())
    monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
    lab = Medallion.open()
    lab.reset()
    lab.down()
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(words(service, "ExecStart"), cwd=parent, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: lab.place.running() and "being read" in lab.status()["slot_state"], 60)
        process.send_signal(signal.Signals[service["Service"]["KillSignal"]])
        out, _ = process.communicate(timeout=int(service["Service"]["TimeoutStopSec"]))
        assert (process.returncode, out) == (0, "Stopped. What was landed is kept.\n")
    finally:
        process.kill()
        lab.close()
        subprocess.run(words(service, "ExecStopPost"), cwd=parent, env=environment, check=True, capture_output=True)
    assert not lab.place.running()


def test_what_the_container_copies_is_all_that_its_command_needs(tmp_path: Path) -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for sources in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for name in sources.split():
            found = CHECKOUT / name
            (shutil.copytree if found.is_dir() else shutil.copy)(found, tmp_path / name)
    entry, command = (json.loads(re.search(rf"^{name} (\[.+\])$", text, re.MULTILINE)[1]) for name in ("ENTRYPOINT", "CMD"))
    asked = vars(parser(COMMANDS).parse_args(command))
    assert entry == ["python", "-m", "medallion_lib"] and asked["follow"] and asked["merging"]
    check = json.loads(re.search(r"^HEALTHCHECK .* CMD (\[.+\])$", text, re.MULTILINE)[1])
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "MEDALLION_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, *check[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "does not run" in done.stdout, done.stderr
