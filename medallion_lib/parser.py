"""The command line of `python -m medallion_lib`."""

import argparse
from collections.abc import Callable, Iterable, Mapping

from medallion_lib.upkeep.alarms import Limits

ASKING = ("down", "watch", "unwatch", "reset", "load", "capture", "rebuild", "upgrade", "prune",
          "erase")  # fmt: skip


def parser(commands: Iterable[Callable[..., str]]) -> argparse.ArgumentParser:
    """What reads the command line; a command's name and help are its function's."""
    top = argparse.ArgumentParser(
        prog="python -m medallion_lib",
        description="A medallion warehouse on PostgreSQL that travels through time.",
    )
    top.add_argument("--name", help="which source and warehouse (default: medallion)")
    top.add_argument("--tables", metavar="FILE", help="what declares the warehouse's tables")
    added = top.add_subparsers(required=True, metavar="COMMAND")
    add = {}
    for command in commands:
        named = added.add_parser(command.__name__, help=command.__doc__)
        named.set_defaults(command=command)
        named.add_argument("--name", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        add[command.__name__] = named.add_argument
    add["reset"]("--year", action="store_true", help="with the whole sample year in both")
    add["down"]("--forget", action="store_true", help="remove the slot from a source of your own")
    _add_watching(add["watch"], add["unwatch"])
    _add_operating(add)
    for name in ASKING:
        add[name]("--yes", action="store_true", help="do not ask")
    add["replay"]("--until", metavar="T", help="up to but without this instant (UTC)")
    add["replay"]("--scale", type=int, choices=range(1, 101), metavar="N", help="N times larger")
    add["load"]("file", help="a dump of Pagila's data")
    switch = {"action": "store_true"}
    add["capture"]("--follow", **switch, help="go on until interrupted")
    add["capture"]("--resnapshot", **switch, help="take the source over anew, after a gap")
    add["capture"]("--merge", **switch, dest="merging", help="bring silver and gold along")
    add["marts"]("directory", help="of .sql files, and marts.toml for receipts")
    add["models"]("names", nargs="*", metavar="NAME", help="a schema, table or view (all)")
    add["serve"]("--listen", metavar="HOST:PORT", help="on TCP, too, by password")
    add["serve"]("--cert", metavar="FILE", help="for TLS, with --key")
    add["serve"]("--key", metavar="FILE", help="of the certificate")
    add["url"]("--sqlalchemy", action="store_true", help="as create_engine takes it")
    add["url"]("which", choices=("source", "warehouse"))
    return top


def _add_watching(add: Callable, add_to_unwatch: Callable) -> None:
    what = "the source's URL, then tables: NAME, SCHEMA.NAME or SCHEMA.* (all that have a key)"
    add("what", nargs="*", metavar="URL TABLE", help=what)
    for option, metavar, told in (
        ("--add", "TABLE", "watch these tables, too"),
        ("--remove", "TABLE", "watch these tables no more"),
        ("--exclude", "COLUMN", "leave out columns, as SCHEMA.TABLE.COLUMN"),
        ("--key", "KEY", "what tells a table's rows apart, as SCHEMA.TABLE=COLUMN,COLUMN"),
    ):
        add(option, nargs="+", default=[], metavar=metavar, help=told)
    add("--strict", action="store_true", help="let the server check for overlaps")
    add("--dry-run", action="store_true", help="only show what would be made")
    add_to_unwatch("--drop-warehouse", action="store_true", help="with all its history")


def _add_operating(add: Mapping[str, Callable]) -> None:
    add["erase"]("table", metavar="TABLE", help="as at the source")
    add["erase"]("key", nargs="+", metavar="KEY", help="its value, or one for each of its columns")
    add["erase"]("--columns", nargs="+", default=[], metavar="COLUMN", help="null these alone")
    add["prune"]("--before", metavar="T", required=True, help="what ended by this instant (UTC)")
    add["status"]("--exact", action="store_true", help="count every row, the marts' too")
    add["status"]("--check", action="store_true", help="tell only what is wrong, and exit with 2")
    add["status"]("--max-lag", type=int, default=Limits().lag, metavar="S", help="seconds (300)")
    add["status"]("--max-wal", type=int, metavar="BYTES", help="of log (half the server's limit)")
    add["metrics"]("--listen", metavar="HOST:PORT", help="answer GET /metrics and /health there")
    add["status"]("--json", dest="json_", action="store_true", help="for programs")
