"""Every refusal of medallion_lib/refusals.txt, by its name, as a person gets to read it."""

from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from medallion_lib import Medallion
from medallion_lib.errors import TEXTS

# The file goes by subject. Each group begins with the refusal named here.
GROUPS = {
    "bad url": ("Starting and finding the server", (
        "The commands, and `Medallion.open()` in a notebook, first start or find the server. Where "
        "a server of your own is not fit, `<wrong>` says each thing that it lacks, with the "
        "statement that mends it.")),
    "bad name": ("Names, files and instants", "Something that was typed is not there or not one."),
    "second replay": ("Replaying the year", (
        "The year can only go on where it stands, from the data files as they were generated.")),
    "not a whole dump": ("Loading Pagila", "`load` takes a whole dump of Pagila's data or none."),
    "slot not made": ("Capturing", (
        "Capture refuses to go on where a change might be missing. What it has landed stays. A "
        "snapshot taken with `--resnapshot` makes bronze and silver right again from then on; what "
        "happened in the gap between is not known, so it counts as happening when the snapshot "
        "was taken.")),
    "second merge": ("Merging", "A merge does all of its work or none."),
    "batch not set up": ("Loading files", (
        "What is wrong with a file or a row stands as the reason in `bronze_batch.quarantine`; the "
        "rest is loaded, and the key of a row that was set aside stays as it was.")),
    "clause unfinished": ("Writing FOR SYSTEM_TIME", (
        "These are about the statement, and the server did not run it.")),
    "view cannot travel": ("A view that cannot be asked as of an instant", (
        "The first text is the whole message; `<reason>` is one of those after it.")),
    "no dbt": ("Building the star", (
        "What dbt says of a model or a test that failed stands in the message.")),
    "option not read": ("Tables that keep their versions", (
        "The table is left as it was, and what a statement would have changed is not changed. In "
        "psql the same texts come from the server.")),
}  # fmt: skip


def page(_lab: Medallion, _copy: Path) -> str:
    return "\n".join(line for name, text in TEXTS.items() for line in _told(name, text))


def anchor(name: str) -> str:
    """Where the page tells of a refusal."""
    return "refusal-" + name.replace(" ", "-")


def shown(text: str) -> str:
    """The text with each fact that is filled in shown as its name: `<table>`."""
    parts = Formatter().parse(text)
    return "".join(said + (f"<{fact}>" if fact else "") for said, fact, _, _ in parts)


def _told(name: str, text: str) -> Iterator[str]:
    if name in GROUPS:
        heading, about = GROUPS[name]
        yield from (f"## {heading}", "", about, "")
    yield from (f"({anchor(name)})=", f"### {name.capitalize()}", "")
    yield from ("```{code-block} text", ":class: refusal", "", shown(text), "```", "")
