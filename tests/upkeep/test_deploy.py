"""The unit and the container file, tried as far as a machine without systemd or containers can."""

from __future__ import annotations

import configparser
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
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


def steps() -> list[tuple[str, str]]:
    """The container file's instructions: each word, and what follows it."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [tuple(line.split(maxsplit=1)) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def said(word: str) -> str:
    """What follows the only instruction of this name."""
    (rest,) = (rest for name, rest in steps() if name == word)
    return rest


ENTRY = json.loads(said("ENTRYPOINT"))
CHECK = json.loads(said("HEALTHCHECK").partition(" CMD ")[2])


def test_what_the_container_copies_is_all_that_its_command_needs(tmp_path: Path) -> None:
    for sources in (rest.split()[:-1] for word, rest in steps() if word == "COPY"):
        for name in sources:
            found = CHECKOUT / name
            (shutil.copytree if found.is_dir() else shutil.copy)(found, tmp_path / name)
    asked = vars(parser(COMMANDS).parse_args(json.loads(said("CMD"))))
    assert ENTRY == ["python", "-m", "medallion_lib"] and asked["follow"] and asked["merging"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "MEDALLION_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, *CHECK[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "does not run" in done.stdout, done.stderr


LAYER = """
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" "$1/root" && mount --rbind /dev "$1/root/dev"
mount --rbind /sys "$1/root/sys" && mount -t tmpfs shm "$1/root/dev/shm" && echo ready && exec sleep infinity
"""


class Built:
    """The container file's steps, carried out on a layer above this machine's files, which stay as they are.

    A Python of this machine's stands in for the image that the file begins with, and namespaces of Linux
    for a container: what its first process leaves behind ends with it.
    """

    def __init__(self, place: Path) -> None:
        for name in ("changed", "work", "root"):
            (place / name).mkdir()
        self.root, self.at, self.user = place / "root", "/", "root"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("MEDALLION_", "PYTHON"))}
        layer = ["unshare", "--mount", "sh", "-c", LAYER, "sh", str(place)]
        self.layer = subprocess.Popen(layer, stdout=subprocess.PIPE, text=True)
        assert self.layer.stdout.readline() == "ready\n"

    def build(self) -> None:
        for word, rest in steps():
            getattr(self, f"_{word.lower()}", lambda _: None)(rest)

    def _from(self, image: str) -> None:
        assert image.startswith("python:3.")
        python = Path(sys._base_executable).resolve()
        self._outside("sh", "-c", 'cd "$0" && shift && chmod a+x "$@"', str(self.root), "", *(f".{each}" for each in python.parents))
        self._sh(f"{shlex.quote(str(python))} -m venv /opt/image")
        self.environment["PATH"] = f"/opt/image/bin:{os.environ['PATH']}"

    def _workdir(self, path: str) -> None:
        self._outside("mkdir", "-p", f"{self.root}{path}")
        self.at = path

    def _copy(self, paths: str) -> None:
        *sources, to = paths.split()
        for name in sources:
            place = f"{self.root}{self.at}/{to}"
            self._outside("cp", "-rT", str(CHECKOUT / name), f"{place}/{name}" if to.endswith("/") else place)

    def _run(self, command: str) -> None:
        self._sh(command)

    def _user(self, name: str) -> None:
        self.user = name

    def _env(self, said: str) -> None:
        self.environment.update([said.split("=", 1)])

    def _outside(self, *command: str) -> None:
        """In the layer's place, with this machine's root."""
        subprocess.run(["nsenter", "-t", str(self.layer.pid), "-m", *command], check=True)

    def _sh(self, command: str) -> None:
        done = self.begin("sh", "-c", command)
        out, _ = done.communicate(timeout=900)
        assert done.returncode == 0, f"{command}\n{out}"

    def begin(self, *command: str, beside: subprocess.Popen[str] | None = None) -> subprocess.Popen[str]:
        """A process in a container of its own, or in that of another."""
        as_user = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *command]
        if beside:
            inside = ["nsenter", "-t", str(first(beside)), "-m", "-p", "-r", f"--wdns={self.at}", *as_user]
        else:
            inside = ["nsenter", "-t", str(self.layer.pid), "-m", "unshare", "--pid", "--kill-child", "--mount-proc",
                      f"--root={self.root}", f"--wd={self.at}", *as_user]  # fmt: skip
        return subprocess.Popen(inside, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self) -> None:
        self.layer.kill()
        self.layer.communicate()


def first(container: subprocess.Popen[str]) -> int:
    """The number here of the process that is the container's first, once there is one."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    wait_until(lambda: container.poll() is None and children.read_text())
    return int(children.read_text())


@pytest.fixture
def built(parent: Path) -> Iterator[Built]:
    if os.geteuid() or not all(map(shutil.which, ("unshare", "nsenter", "setpriv", "useradd"))):
        pytest.skip("only root lays one file system above another")
    if "medallion" in {each.pw_name for each in pwd.getpwall()}:
        pytest.skip("there is an account medallion here, which the file would make")
    made = Built(parent)
    try:
        made.build()
        yield made
    finally:
        made.end()


@pytest.mark.slow
def test_what_the_container_file_makes_follows_and_recovers_when_it_is_begun_again(built: Built) -> None:
    def ended(*words: str) -> str:
        process = built.begin(*ENTRY, *words)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        return out

    assert "Reset: the sample year, captured and merged." in ended("reset", "--year")
    for attempt in range(2):
        container = built.begin(*ENTRY, *json.loads(said("CMD")))
        try:
            wait_until(partial(is_well, built, container), 120)
            os.kill(first(container), signal.Signals[said("STOPSIGNAL")])
            out, _ = container.communicate(timeout=60)
        finally:
            container.kill()
        assert container.returncode == 0 and out.endswith("Stopped. What was landed is kept.\n"), (attempt, out)
    check = built.begin(*CHECK)
    out, _ = check.communicate(timeout=60)
    assert check.returncode == 2 and "does not run" in out  # it went with its container, twice


def is_well(built: Built, container: subprocess.Popen[str]) -> bool:
    """Whether the container's check of its health says so."""
    process = built.begin(*CHECK, beside=container)
    out, _ = process.communicate(timeout=60)
    return (process.returncode, out) == (0, "All is well.\n")
