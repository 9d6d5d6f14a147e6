"""What the last run of the tests found, from the report that `make test` leaves."""

import ast
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from medallion_lib import Medallion

REPORT = Path(".results", "tests.xml")  # below the checkout
TESTS = Path(__file__).parents[2] / "tests"
FOLDERS = ("shop", "source", "bronze", "silver", "system_time", "gold", "watch", "server", "serve",
           "upkeep", "lake")  # fmt: skip
REST = "Everything else: commands, figures, notebooks, pages"


def _proof(path: Path) -> str:
    """What the tests of a file prove: the first line of its docstring."""
    with path.open(encoding="utf-8") as lines:
        docstring = next(tokenize.generate_tokens(lines.readline)).string
    return ast.literal_eval(docstring).partition("\n")[0].removesuffix(".")


PROOFS = {  # by folder and name
    f"{folder}/{path.stem}": _proof(path)
    for folder in FOLDERS for path in sorted((TESTS / folder).glob("test_*.py"))
}  # fmt: skip


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
        file = "/".join(case.get("classname", "").split(".")[1:])
        results[file if file in PROOFS else REST].add(case)
    return {name: result for name, result in results.items() if result.counts}


def _skipped(suite: ElementTree.Element) -> Iterator[str]:
    """Why, where something was."""
    reasons = Counter(case.find("skipped").get("message") for case in suite.iter("testcase")
                      if case.find("skipped") is not None)  # fmt: skip
    if reasons:
        yield "\nSkipped:\n"
        yield from (f"- {count}: {reason}" for reason, count in reasons.items())
