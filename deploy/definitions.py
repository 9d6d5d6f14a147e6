"""The warehouse's layers as assets of Dagster, with what must hold before the next is made.

Dagster has an environment of its own (make dagster). What it runs are commands of this project, in
the project's own environment. Once, or by its schedule and sensor for as long as its daemon runs:
    export DAGSTER_HOME=/var/lib/dagster
    echo "telemetry: {enabled: false}" > $DAGSTER_HOME/dagster.yaml
    .venv/dagster/bin/dagster asset materialize -f deploy/definitions.py --select '*'
    .venv/dagster/bin/dagster-daemon run -f deploy/definitions.py
"""

import json
import os
import subprocess
from pathlib import Path

import dagster as dg

PROJECT = Path(__file__).parents[1]
PYTHON = os.environ.get("MEDALLION_PYTHON", str(PROJECT / ".venv/bin/python"))
STAR = """
from medallion_lib import Medallion
from medallion_lib.shop import star
star.dbt(Medallion.open({!r}, tables=star.TABLES), "build")
"""
NAME = os.environ.get("MEDALLION_NAME", "medallion")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PYTHON, *words], cwd=PROJECT, capture_output=True, text=True)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "medallion_lib", "--name", NAME, *words)


def done(ran: subprocess.CompletedProcess[str]) -> dg.MaterializeResult:
    """What a command printed, as an asset's metadata. One that fails stops its step."""
    if ran.returncode:
        raise dg.Failure(ran.stderr.strip(), allow_retries=False)
    return dg.MaterializeResult(metadata={"said": dg.MetadataValue.md(f"```\n{ran.stdout}\n```")})


def held(ran: subprocess.CompletedProcess[str]) -> dg.AssetCheckResult:
    said = (ran.stderr if ran.returncode == 1 else ran.stdout).strip()
    return dg.AssetCheckResult(passed=ran.returncode == 0, metadata={"said": said})


@dg.asset(group_name="medallion")
def bronze() -> dg.MaterializeResult:
    """Every change that the source has committed."""
    return done(command("capture"))


@dg.asset_check(asset=bronze, blocking=True)
def fresh() -> dg.AssetCheckResult:
    """No alarm: the slot is there, and bronze, log and disk are within their limits."""
    return held(command("status", "--check"))


@dg.asset(group_name="medallion", deps=[bronze])
def silver() -> dg.MaterializeResult:
    """What was known when, of all that is in bronze."""
    return done(command("merge"))


@dg.asset_check(asset=silver, blocking=True)
def verified() -> dg.AssetCheckResult:
    """Silver's current rows are the source's at one instant."""
    return held(command("verify"))


@dg.asset(group_name="medallion", deps=[silver])
def marts() -> dg.MaterializeResult:
    """Gold's views, which store nothing: how many rows each has now."""
    ran = command("status", "--json", "--exact")
    done(ran)
    rows = json.loads(ran.stdout)["rows"]
    return dg.MaterializeResult(metadata={name: rows[name] for name in rows if "gold." in name})


@dg.asset(group_name="medallion", deps=[silver])
def star() -> dg.MaterializeResult:
    """The sample's star schema, as of the last merge."""
    return done(python("-c", STAR.format(NAME)))


refresh = dg.define_asset_job("refresh", selection=[bronze, silver, marts])
nightly = dg.ScheduleDefinition("nightly", target="*", cron_schedule="0 3 * * *")


@dg.sensor(job=refresh, minimum_interval_seconds=60)
def changes_wait(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Run where the source has log that is not captured: once for each position."""
    ran = command("status", "--json")
    if ran.returncode:
        return dg.SkipReason(ran.stderr.strip())
    found = json.loads(ran.stdout)
    if not found["wal_bytes_not_captured"]:
        return dg.SkipReason("Nothing waits at the source.")
    return dg.RunRequest(run_key=f"{found['captured_lsn']} {found['wal_bytes_not_captured']}")


defs = dg.Definitions(
    assets=[bronze, silver, marts, star], asset_checks=[fresh, verified],
    jobs=[refresh], schedules=[nightly], sensors=[changes_wait],
)  # fmt: skip
