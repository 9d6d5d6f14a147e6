"""The dbt project in tests/dbt_versioned, run in a process of its own or inside this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import URL

PROJECT = Path(__file__).with_name("dbt_versioned")
OFFLINE = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
READER = "medallion_notebook"


def invoke(arguments: list[str], manifest: Any = None) -> Any:
    """Run dbt in this process, in a thread: dbt reads its whole stack, and a test's is deep."""
    from dbt.cli.main import dbtRunner

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(dbtRunner(manifest=manifest).invoke, arguments).result()


@dataclass
class Project:
    """As the URL's role, on its database; what dbt writes goes to `made`."""

    url: URL
    made: Path
    variables: dict[str, str] = field(init=False)
    parsed: Any = None  # which every run would else do again

    def __post_init__(self) -> None:
        self.variables = {
            "VERSIONED_HOST": str(self.url.query.get("host", self.url.host)),
            "VERSIONED_PORT": str(self.url.port or 5432),
            "VERSIONED_DATABASE": self.url.database or "",
            "VERSIONED_USER": self.url.username or "",
            "VERSIONED_PASSWORD": str(self.url.password or ""),
            "VERSIONED_READER": READER,
        }

    def arguments(self, *words: str) -> list[str]:
        return [
            *words, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
            "--target-path", str(self.made), "--log-path", str(self.made),
        ]  # fmt: skip

    def here(self, *words: str, **variables: str) -> dict[str, str]:
        """Run dbt in this process, the faster way; each node's message by its name."""
        variables |= self.variables | OFFLINE
        with patch.dict(os.environ, variables), redirect_stdout(StringIO()) as said:
            if self.parsed is None:
                self.parsed = invoke(self.arguments("parse", "--quiet")).result
            quick = ["--quiet", "--no-write-json", "--log-level-file", "none"]
            done = invoke(self.arguments(*words, *quick), self.parsed)
        if done.result is None:
            raise AssertionError(f"dbt gave no result: {done.exception}\n{said.getvalue()}")
        return {one.node.name: one.message or one.status for one in done.result}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin to run dbt as its command does."""
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()"]
        return subprocess.Popen(
            [*command, *self.arguments(*words)], env=os.environ | self.variables | OFFLINE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def seconds(self, *words: str) -> dict[str, float]:
        """Run dbt as its command does; each node's seconds by its name, as dbt took them."""
        with self.start(*words) as process:
            said = process.communicate()[0]
        assert process.returncode == 0, said
        results: list[dict[str, Any]] = json.loads((self.made / "run_results.json").read_text())["results"]
        return {one["unique_id"].rsplit(".", 1)[-1]: one["execution_time"] for one in results}
