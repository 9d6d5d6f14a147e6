"""Run dbt on the star's project, against one warehouse, as the role that can alter no history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medallion_lib import server
from medallion_lib.errors import refusal
from medallion_lib.instants import instant as read_instant
from medallion_lib.progress import shown
from medallion_lib.server.embedded import CHECKOUT

if TYPE_CHECKING:
    from medallion_lib.medallion import Medallion

PROJECT = CHECKOUT / "dbt"
MADE = CHECKOUT / ".dbt"  # what dbt writes, by warehouse


def place(lab: Medallion) -> Path:
    """The directory of all that dbt makes for this warehouse, such as manifest.json and its log."""
    return MADE / lab.warehouse_name


def environment(lab: Medallion) -> dict[str, str]:
    """The variables that profiles.yml reads, and those that keep dbt to this machine and to UTC."""
    url = lab.notebook_url
    given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password,
             "database": url.database} | url.query  # fmt: skip
    named = {f"MEDALLION_DBT_{key.upper()}": str(value) for key, value in given.items() if value}
    return named | {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(place(lab)),
        "DBT_LOG_PATH": str(place(lab)),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "PGTZ": "UTC",
    }


def instant(lab: Medallion, as_of: str | datetime | None = None) -> str:
    """Return the instant of a run, for all its models: `as_of`, else the last that is final.

    Raises MedallionError if history is not final at it: built again, the star would differ.
    """
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("SELECT max(commit_ts) FROM meta.watermark WHERE stage = 'merge'")
        if (final := cursor.fetchone()[0]) is None:
            raise refusal("nothing to build on")
    if (at := read_instant(str(as_of)) if as_of else final) > final:
        raise refusal("star not final", at=at, final=final)
    return at.isoformat()


def dbt(
    lab: Medallion, *command: str, as_of: str | datetime | None = None
) -> list[dict[str, Any]]:
    """Run `dbt COMMAND` on this warehouse, and return its results, one per node (run_results.json).

    The star is as of `as_of`, else as of the last merge; a later instant is refused. Running it
    again makes the same star, even after a kill. Raises MedallionError with what failed.
    """
    if find_spec("dbt.cli") is None:
        raise refusal("no dbt")
    told = json.dumps({"as_of": instant(lab, as_of)})
    main = [sys.executable, "-P", "-c", "from dbt.cli.main import cli; cli()"]
    how = ["--log-format", "json", "--log-format-file", "text", "--no-use-colors"]
    run = [*main, *how, *command, "--vars", told]
    results = place(lab) / "run_results.json"
    results.unlink(missing_ok=True)
    begun = subprocess.Popen(
        run, cwd=PROJECT, env=os.environ | environment(lab), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    done, failed = 0, []
    with begun, shown("dbt", "nodes") as show:
        for line in begun.stdout:
            name, level, text = _event(line)
            done += name in ("LogModelResult", "LogSeedResult", "LogTestResult")
            show(done)
            if level == "error":
                failed.append(text)
    if begun.returncode:
        reason = "\n".join(failed) or f"it ended with {begun.returncode}"
        log = place(lab) / "dbt.log"
        raise refusal("dbt failed", command=" ".join(command), reason=reason, log=log)
    return json.loads(results.read_text(encoding="utf-8"))["results"] if results.exists() else []


def _event(line: str) -> tuple[str, str, str]:
    """Return an event's name, level and text. Any other line is an error dbt did not expect."""
    try:
        told = json.loads(line)["info"]
        return told["name"], told["level"], told["msg"]
    except (ValueError, KeyError, TypeError):
        return "", "error" if line.strip() else "", line.rstrip()
