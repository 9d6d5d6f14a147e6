"""Only what passed the tests is published. Read from the workflow: it runs on GitHub alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.fixture
def jobs() -> dict[str, Any]:
    [workflow] = WORKFLOWS
    return yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]


def actions(job: dict[str, Any]) -> list[str]:
    return [step["uses"] for step in job["steps"] if "uses" in step]


def test_the_tests_are_run_by_the_one_script(jobs: dict[str, Any]) -> None:
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_site_that_is_published_is_the_one_that_was_tested(jobs: dict[str, Any]) -> None:
    *before, upload = jobs["test"]["steps"]
    assert before[-1]["run"] == ".ci/run"
    assert upload["uses"].startswith("actions/upload-pages-artifact@")
    assert upload["with"]["path"] == "_build/html"


def test_what_publishes_waits_for_the_tests_and_runs_on_main_alone(jobs: dict[str, Any]) -> None:
    publishers = [
        job for job in jobs.values() if any("deploy-pages" in name for name in actions(job))
    ]
    assert publishers
    for job in publishers:
        assert job["needs"] == "test"
        assert "github.ref == 'refs/heads/main'" in job["if"]
        assert "always()" not in job["if"]


def test_only_the_publisher_may_write(jobs: dict[str, Any]) -> None:
    may_write = [name for name, job in jobs.items() if "write" in str(job.get("permissions"))]
    assert may_write == ["publish"]
    [workflow] = WORKFLOWS
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {
        "contents": "read"
    }


def test_actions_are_pinned_to_a_major_version(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        for name in actions(job):
            assert name.rpartition("@")[2].startswith("v"), name
