"""The commands: python -m medallion_lib up | down | reset | replay | load | capture | …"""

from __future__ import annotations

import argparse
import sys

from medallion_lib import databases, server
from medallion_lib.errors import MedallionError
from medallion_lib.lab import Medallion


def up(lab: Medallion, _: argparse.Namespace) -> None:
    with databases.administering(lab.place.url) as cursor:
        if not databases.exists(cursor, lab.warehouse_name):
            lab.reset()
    print(f"PostgreSQL runs: {lab.place.place}")


def down(lab: Medallion, _: argparse.Namespace) -> None:
    if lab.down():
        print("PostgreSQL is stopped. Its data is kept in", lab.place.place)
    else:
        print("There was no server of ours to stop.")


def reset(lab: Medallion, asked: argparse.Namespace) -> None:
    lab.reset(year=asked.year)
    state = "the sample year, captured and merged" if asked.year else "an empty shop and warehouse"
    print(f"Reset: {state}.")


def replay(lab: Medallion, asked: argparse.Namespace) -> None:
    print(f"Replayed {lab.replay(asked.until, asked.scale):,} events.")


def load(lab: Medallion, asked: argparse.Namespace) -> None:
    print(f"Loaded {lab.load(asked.file)} tables. The next capture takes a snapshot.")


def capture(lab: Medallion, asked: argparse.Namespace) -> None:
    try:
        landed = lab.capture(asked.follow, asked.resnapshot)
    except KeyboardInterrupt:
        print("Stopped. What was landed is kept.", file=sys.stderr)
        return
    print(f"Landed {landed.rows:,} rows of {landed.transactions:,} transactions.")


def merge(lab: Medallion, _: argparse.Namespace) -> None:
    print(f"{'table':<20}{'events':>10}{'inserted':>10}{'updated':>10}{'closed':>10}{'history':>10}")
    for table, *counts in lab.merge():
        print(f"{table:<20}" + "".join(f"{count:>10,}" for count in counts))


def status(lab: Medallion, asked: argparse.Namespace) -> None:
    print(lab.status().json() if asked.json else lab.status())


def url(lab: Medallion, asked: argparse.Namespace) -> None:
    print(server.libpq(lab.source_url if asked.which == "source" else lab.warehouse_url))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m medallion_lib",
        description="A medallion warehouse on PostgreSQL that travels through time.",
    )
    top.add_argument("--name", help="which source and warehouse (default: medallion)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(function, help: str) -> argparse.ArgumentParser:  # noqa: A002
        command = commands.add_parser(function.__name__, help=help, description=help)
        command.set_defaults(function=function)
        return command

    add(up, "start the server, and make the databases if there are none")
    add(down, "stop the server; its data is kept")
    command = add(reset, "start again with an empty source and warehouse")
    command.add_argument("--year", action="store_true", help="with the whole sample year in both")
    command = add(replay, "play the sample year through the source")
    command.add_argument("--until", metavar="T", help="up to but without this instant (UTC)")
    command.add_argument("--scale", type=positive, metavar="N", help="a year N times larger")
    command = add(load, "replace the source's data by Pagila's own")
    command.add_argument("file", help="a dump of Pagila's data")
    command = add(capture, "land the source's changes in bronze")
    command.add_argument("--follow", action="store_true", help="go on until interrupted")
    command.add_argument("--resnapshot", action="store_true",
                         help="take the source over anew and mark the gap in history")
    add(merge, "bring silver and gold to where bronze is")
    command = add(status, "how far everything is")
    command.add_argument("--json", action="store_true", help="for programs")
    command = add(url, "where to connect with psql")
    command.add_argument("which", choices=("source", "warehouse"))
    return top


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main() -> int:
    asked = parser().parse_args()
    try:
        lab = Medallion.open(asked.name)
        asked.function(lab, asked)
    except MedallionError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
