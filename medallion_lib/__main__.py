"""The commands: python -m medallion_lib up | down | reset | replay | load | capture | …"""

from __future__ import annotations

import argparse
import json
import sys

from medallion_lib import Medallion, MedallionError, databases, server


def up(lab: Medallion, asked: argparse.Namespace) -> None:
    """start the server, and make the databases if there are none"""
    with databases.administering(lab.place.url) as cursor:
        if not databases.exists(cursor, lab.warehouse_name):
            lab.reset()
    print(f"PostgreSQL runs: {lab.place.place}")


def down(lab: Medallion, asked: argparse.Namespace) -> None:
    """stop the server; its data is kept"""
    if lab.down():
        print("PostgreSQL is stopped. Its data is kept in", lab.place.place)
    else:
        print("There was no server of ours to stop.")


def reset(lab: Medallion, asked: argparse.Namespace) -> None:
    """start again with an empty source and warehouse"""
    lab.reset(year=asked.year)
    state = "the sample year, captured and merged" if asked.year else "an empty shop and warehouse"
    print(f"Reset: {state}.")


def replay(lab: Medallion, asked: argparse.Namespace) -> None:
    """play the sample year through the source"""
    print(f"Replayed {lab.replay(asked.until, asked.scale):,} events.")


def load(lab: Medallion, asked: argparse.Namespace) -> None:
    """replace the source's data by Pagila's own"""
    print(f"Loaded {lab.load(asked.file)} tables. The next capture takes a snapshot.")


def capture(lab: Medallion, asked: argparse.Namespace) -> None:
    """land the source's changes in bronze"""
    try:
        landed = lab.capture(asked.follow, asked.resnapshot)
        print(f"Landed {landed.rows:,} rows of {landed.transactions:,} transactions.")
    except KeyboardInterrupt:
        print("Stopped. What was landed is kept.")


def merge(lab: Medallion, asked: argparse.Namespace) -> None:
    """bring silver and gold to where bronze is"""
    done = lab.merge()
    print(f"{'table':<20}{'events':>10}{'inserted':>10}{'updated':>10}{'closed':>10}{'history':>10}")
    for table, *counts in done:
        print(f"{table:<20}" + "".join(f"{count:>10,}" for count in counts))


def status(lab: Medallion, asked: argparse.Namespace) -> None:
    """how far everything is"""
    print(json.dumps(lab.status(), indent=2) if asked.json else lab.status())


def url(lab: Medallion, asked: argparse.Namespace) -> None:
    """where to connect with psql"""
    print(server.libpq(lab.source_url if asked.which == "source" else lab.warehouse_url))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m medallion_lib",
        description="A medallion warehouse on PostgreSQL that travels through time.",
    )
    top.add_argument("--name", help="which source and warehouse (default: medallion)")
    added = top.add_subparsers(required=True, metavar="COMMAND")
    commands = {}
    for function in (up, down, reset, replay, load, capture, merge, status, url):
        named = added.add_parser(function.__name__, help=function.__doc__)
        named.set_defaults(function=function)
        commands[function] = named.add_argument
    commands[reset]("--year", action="store_true", help="with the whole sample year in both")
    commands[replay]("--until", metavar="T", help="up to but without this instant (UTC)")
    commands[replay]("--scale", type=int, choices=range(1, 101), metavar="N", help="N times larger")
    commands[load]("file", help="a dump of Pagila's data")
    commands[capture]("--follow", action="store_true", help="go on until interrupted")
    commands[capture]("--resnapshot", action="store_true",
                      help="take the source over anew and mark the gap in history")  # fmt: skip
    commands[status]("--json", action="store_true", help="for programs")
    commands[url]("which", choices=("source", "warehouse"))
    return top


def main() -> int:
    asked = parser().parse_args()
    try:
        asked.function(Medallion.open(asked.name), asked)
    except MedallionError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
