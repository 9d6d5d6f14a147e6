"""What pages run SQL on is made of a pinned package, and only where there is Node."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "book"))

import ask  # noqa: E402
from ask import packed  # noqa: E402

PACKAGE = "@electric-sql/pglite"


def test_the_package_is_pinned_by_its_content_and_names_no_host() -> None:
    wanted = json.loads((ROOT / "book/ask/package.json").read_text(encoding="utf-8"))
    lock = (ROOT / "book/ask/package-lock.json").read_text(encoding="utf-8")
    locked = json.loads(lock)["packages"][f"node_modules/{PACKAGE}"]
    assert locked["version"] == wanted["dependencies"][PACKAGE]
    assert locked["integrity"].startswith("sha512-")
    assert "://" not in lock


def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str]) -> str:
    """What is said where these are all the programs, and nothing may be made."""
    for name, text in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setattr(ask.shop, "prepared_year", lambda *_: ("source", "warehouse"))
    copy: Any = tmp_path / "copy"
    told = ask.make(copy, ask.prepared(None, tmp_path / "cache"))
    assert not copy.exists()
    return told


def test_without_node_one_line_says_so_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = without(tmp_path, monkeypatch, {})
    assert told == "The pages have no buttons that run SQL: Node is not installed."


def test_a_package_that_can_not_be_had_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "#!/bin/sh\necho no network >&2\nexit 1\n"
    told = without(tmp_path, monkeypatch, {"node": broken, "npm": broken})
    assert told == "The pages have no buttons that run SQL: npm failed: no network."


def stopped(tmp_path: Path, state: int, at: int) -> Path:
    """The parts of a data directory that its log is found by: a checkpoint of 100 bytes at `at`."""
    (tmp_path / "global").mkdir()
    (tmp_path / "pg_wal").mkdir()
    position = 2 * packed.SEGMENT + at
    control = struct.pack("<QIIi4xqQ", 1, 1800, 1, state, 0, position)
    (tmp_path / "global" / "pg_control").write_bytes(control)
    log = bytearray(b"\xff" * packed.SEGMENT)
    log[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "pg_wal" / f"{1:08X}{0:08X}{2:08X}").write_bytes(log)
    return tmp_path


@pytest.mark.parametrize("at", [40, 3 * packed.PAGE + 96, packed.SEGMENT - 104])
def test_of_the_log_only_its_head_and_the_last_checkpoint_are_kept(tmp_path: Path, at: int) -> None:
    name, log = packed._log(stopped(tmp_path, packed.SHUT_DOWN, at))
    assert name == "000000010000000000000002"
    assert len(log) == packed.SEGMENT
    page = at - at % packed.PAGE
    kept = {*range(packed.PAGE), *range(page, at + 100)} - {*range(at + 100, packed.SEGMENT)}
    assert all((byte != 0) == (index in kept) for index, byte in enumerate(log)
               if not at <= index < at + 4)  # fmt: skip


def test_a_server_that_was_not_shut_down_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was not shut down"):
        packed._log(stopped(tmp_path, 6, 40))
