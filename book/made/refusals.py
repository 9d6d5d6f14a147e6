"""Every refusal of medallion_lib/refusals.txt, as a person gets to read it, without its name."""

from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from medallion_lib import Medallion
from medallion_lib.errors import TEXTS

# The file goes by subject. Each group begins with the refusal named here.
GROUPS = {
    "bad url": ("Starting and finding the server", (
        "`<wrong>` says each thing that your own server lacks, with the statement that mends it.")),
    "bad name": ("Names, files and instants", ""),
    "second replay": ("Replaying the year", ""),
    "not a whole dump": ("Loading Pagila", ""),
    "slot not made": ("Capturing", (
        "Capture refuses to go on where a change might be missing. What has landed stays. A new "
        "snapshot makes bronze and silver right from then on; what happened in the gap is not "
        "known, so it is dated with the snapshot.")),
    "second merge": ("Merging", "A merge does all of its work or none."),
    "second prune": ("Cutting history back, erasing, and monitors", ""),
    "batch not set up": ("Loading files", (
        "`bronze_batch.quarantine` has the reason, with the file or row. The rest is loaded, and "
        "the key of a row that was set aside stays as it was.")),
    "clause unfinished": ("Writing FOR SYSTEM_TIME", "The server did not run the statement."),
    "view cannot travel": ("A view that cannot be asked as of an instant", (
        "The first text is the whole message; `<reason>` is one of those after it.")),
    "listen not read": ("Serving any client", ""),
    "marts not read": ("Marts of your own", ""),
    "no dbt": ("Building the star", ""),
    "no table to watch": ("Choosing tables to watch", ""),
    "option not read": ("Tables that keep their versions", (
        "The table and its rows stay as they were. In psql the server sends the same texts.")),
    "no lake there": ("Past one machine", (
        "PostgreSQL's warehouse stays as it is, and so does what the lake has already.")),
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
        yield from (f"## {heading}", "", *([about, ""] if about else []))
    yield from (f"({anchor(name)})=", "```{code-block} text", ":class: refusal", "")
    yield from (shown(text), "```", "")
