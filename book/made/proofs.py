"""What the last run of the tests found, from the report that `make test` leaves."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from medallion_lib import Medallion

REPORT = Path(".results", "tests.xml")  # below the checkout
PROOFS = {  # what the tests of a file prove
    "test_year": "`AS OF` instants all over the year, tables, views and marts equal copies of the "
                 "source",
    "test_story": "June `AS OF` 1 July equals the board pack, in `%%sql`, pandas and SQLAlchemy",
    "test_zones": "Capture in another time zone opens no version",
    "test_oracle": "The marts in plain Python are right in cases worked out by hand",
    "test_sample_year": "The sample year is made again byte for byte",
    "test_batches": "However it is batched, a merge gives the same history",
    "test_capture": "Whatever sessions commit at random, bronze has it, and silver `AS OF` each "
                    "copy is the copy",
    "test_identity": "Values of 46 types land whole, from log and snapshot, under every replica "
                     "identity",
    "test_schema_change": "Columns added, dropped, renamed and retyped land without a restart",
    "test_live": "A capture that follows keeps gold current and outlives the server",
    "test_own_source": "A source of your own is captured with a reader's rights",
    "test_audit": "`verify` names each kind of tampering; `rebuild` gives the same silver",
    "test_pagila_kills": "The real Pagila changes under kills: nothing is lost or twice (in make "
                         "prove)",
    "test_pgoutput": "Values of every kind land from the log as they were",
    "test_merge": "Random changes merge to the model's versions",
    "test_as_of_functions": "Random versions `AS OF` each of their boundaries are the model's",
    "test_rewrite": "The rewriter changes the clause and no byte beside it",
    "test_statements": "So it does in over 600 statements of PostgreSQL's syntax",
    "test_rewrite_fuzz": "PostgreSQL's own parser reads 2,000 random statements, 50,000 in make "
                         "prove: none is spoiled",
    "test_forms": "Random statements in every form answer what the model says",
    "test_mariadb": "MariaDB gives the same versions to the same questions",
    "test_system_versioning": "Tables made `WITH (system_versioning = true)` keep the model's "
                              "versions",
    "test_questions": "A receipt adds up to the mart's number and leads to the log",
    "test_models": "The printed models are the tables and views, column by column",
    "test_two_feeds": "Nightly files and the log give the same current rows, in make prove on all "
                      "365 nights",
    "test_batch_files": "A bad row or file is set aside with the reason; the rest lands once",
    "test_star": "The star schema adds up to the marts and to the source",
    "test_dbt_versioned": "dbt's `scd_system_versioned` keeps the model's versions, killed or not",
    "test_without_dbt": "The core and chapters 0 to 4 need neither dbt nor Parquet",
    "test_pagila": "The real Pagila goes through the whole pipeline",
    "test_faults": "Killed half-way, nothing is lost, done twice or half done",
    "test_errors": "What was taken away, cut short or started twice is refused, with a remedy",
    "test_server": "The server starts, is found again and survives its own kill",
    "test_roles": "A notebook can read everything and alter no history",
    "test_failing_notebooks": "A cell that fails makes the run fail",
}  # fmt: skip
REST = "Everything else: commands, figures, the notebooks' form, the generated pages"


@dataclass
class Result:
    """What the tests of one file did, added up."""

    counts: Counter[str] = field(default_factory=Counter)  # passed, failed, skipped
    figures: Counter[str] = field(default_factory=Counter)  # what the tests recorded, by name

    def add(self, case: ElementTree.Element) -> None:
        told = {child.tag for child in case}
        outcome = "failed" if told & {"failure", "error"} else "passed"
        self.counts["skipped" if "skipped" in told else outcome] += 1
        for each in case.iter("property"):
            if each.get("value").isdecimal():
                self.figures[each.get("name")] += int(each.get("value"))

    def __str__(self) -> str:
        found = _counted(self.counts)
        return f"{found}: {_listed(self.figures)}" if self.figures.total() else found


def _counted(outcomes: Counter[str]) -> str:
    return _listed(Counter({name: outcomes[name] for name in ("passed", "failed", "skipped")}))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name.removesuffix('s') if count == 1 else name}"
                     for name, count in counts.items() if count)  # fmt: skip


def page(_lab: Medallion, copy: Path) -> str:
    return "\n".join(_told(copy.parent / REPORT)) + "\n"


def _told(report: Path) -> Iterator[str]:
    if not report.exists():
        yield "This book was built without a run of the tests, so there are no figures here. "
        yield "`make test` runs the tests and then builds the book with what they found.\n"
        yield "| what it proves | where |\n|---|---|"
        yield from (f"| {words} | `tests/{name}.py` |" for name, words in PROOFS.items())
        return
    suite = ElementTree.parse(report).getroot().find("testsuite")
    results = _results(suite)
    began = datetime.fromisoformat(suite.get("timestamp")).astimezone(UTC)
    total = sum((result.counts for result in results.values()), Counter())
    yield f"{total.total():,} tests: {_counted(total)}. The run began on {began:%-d %B %Y at %H:%M}"
    yield f"UTC and took {float(suite.get('time')):.0f} s.\n"
    yield "| what it proves | what was found |\n|---|---|"
    for name, result in results.items():
        words = f"{PROOFS[name]} (`{name}`)" if name in PROOFS else REST
        yield f"| {words} | {result} |"
    yield from _skipped(suite)


def _results(suite: ElementTree.Element) -> dict[str, Result]:
    """By file; those of files that prove nothing in particular together, last."""
    results = {name: Result() for name in (*PROOFS, REST)}
    for case in suite.iter("testcase"):
        _, _, file = case.get("classname", "").rpartition(".")
        results[file if file in PROOFS else REST].add(case)
    return {name: result for name, result in results.items() if result.counts}


def _skipped(suite: ElementTree.Element) -> Iterator[str]:
    """Why, where something was."""
    reasons = Counter(case.find("skipped").get("message") for case in suite.iter("testcase")
                      if case.find("skipped") is not None)  # fmt: skip
    if reasons:
        yield "\nSkipped:\n"
        yield from (f"- {count}: {reason}" for reason, count in reasons.items())
