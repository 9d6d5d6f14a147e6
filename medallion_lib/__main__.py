"""The commands: python -m medallion_lib up | down | reset | replay | load | capture | …"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

from medallion_lib import Medallion, MedallionError, databases, server


def up(lab: Medallion) -> str:
    """start the server, and make the databases if there are none"""
    with databases.administering(lab.place.url) as cursor:
        if not databases.exists(cursor, lab.warehouse_name):
            lab.reset()
    return f"PostgreSQL runs: {lab.place.place}"


def down(lab: Medallion) -> str:
    """stop the server; its data is kept"""
    told = "PostgreSQL is stopped." if lab.down() else "There was no server of ours to stop."
    if lab.own_source:
        told += "\nThe slot is gone from your source, and the publication if this role owned it."
        told += "\nTo go on: python -m medallion_lib capture --resnapshot"
    return told


def reset(lab: Medallion, year: bool) -> str:
    """start again with an empty source and warehouse"""
    lab.reset(year)
    return f"Reset: {'the sample year, captured and merged' if year else 'nothing in it yet'}."


def replay(lab: Medallion, until: str | None, scale: int | None) -> str:
    """play the sample year through the source"""
    return f"Replayed {lab.replay(until, scale):,} events."


def load(lab: Medallion, file: str) -> str:
    """replace the source's data by Pagila's own"""
    return f"Loaded {lab.load(file)} tables. The next capture takes a snapshot."


def capture(lab: Medallion, follow: bool, resnapshot: bool, merging: bool) -> str:
    """land the source's changes in bronze"""
    for stop in (signal.SIGTERM, signal.SIGINT):  # a shell starts background work deaf to SIGINT
        signal.signal(stop, signal.default_int_handler)
    try:
        landed = lab.capture(follow, resnapshot, merging)
    except KeyboardInterrupt:
        return "Stopped. What was landed is kept."
    return f"Landed {landed.rows:,} rows of {landed.transactions:,} transactions."


def merge(lab: Medallion) -> str:
    """bring silver and gold to where bronze is"""
    return _table(lab.merge())


def verify(lab: Medallion) -> str:
    """compare silver with the source, row by row"""
    if found := lab.verify():
        raise MedallionError("\n".join(found))
    return "Silver's current rows are the source's, and no versions overlap."


def rebuild(lab: Medallion) -> str:
    """make silver anew from bronze, and compare"""
    done = lab.rebuild()
    if any(table.lost or table.gained for table in done):
        raise MedallionError(f"Silver was made anew, and is not what it was:\n{_table(done)}")
    return f"Silver was made anew, identical in every row.\n{_table(done)}"


def _table(done: Sequence[NamedTuple]) -> str:
    """Counts by silver table, in columns."""
    rows = [done[0]._fields, *((row[0], *(f"{count:,}" for count in row[1:])) for row in done)]
    width = max(20, *(len(row[0]) + 1 for row in rows))
    return "\n".join(f"{name:<{width}}" + "".join(f"{x:>10}" for x in rest) for name, *rest in rows)


def status(lab: Medallion, json_: bool) -> str:
    """how far everything is"""
    return json.dumps(lab.status(), indent=2) if json_ else str(lab.status())


def url(lab: Medallion, which: str) -> str:
    """where to connect with psql; without the password, which psql asks for"""
    url = lab.source_url if which == "source" else lab.warehouse_url
    return server.libpq(url._replace(password=None))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m medallion_lib",
        description="A medallion warehouse on PostgreSQL that travels through time.",
    )
    top.add_argument("--name", help="which source and warehouse (default: medallion)")
    added = top.add_subparsers(required=True, metavar="COMMAND")
    add = {}
    for command in (up, down, reset, replay, load, capture, merge, verify, rebuild, status, url):
        named = added.add_parser(command.__name__, help=command.__doc__)
        named.set_defaults(command=command)
        add[command] = named.add_argument
    add[reset]("--year", action="store_true", help="with the whole sample year in both")
    add[replay]("--until", metavar="T", help="up to but without this instant (UTC)")
    add[replay]("--scale", type=int, choices=range(1, 101), metavar="N", help="N times larger")
    add[load]("file", help="a dump of Pagila's data")
    add[capture]("--follow", action="store_true", help="go on until interrupted")
    add[capture]("--resnapshot", action="store_true", help="take the source over anew, after a gap")
    add[capture]("--merge", action="store_true", dest="merging", help="bring silver and gold along")
    add[status]("--json", dest="json_", action="store_true", help="for programs")
    add[url]("which", choices=("source", "warehouse"))
    return top


def main() -> int:
    asked = vars(parser().parse_args())
    command, name = asked.pop("command"), asked.pop("name")
    try:
        print(command(Medallion.open(name), **asked))
    except MedallionError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
