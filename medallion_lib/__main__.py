"""The commands: python -m medallion_lib up | down | reset | replay | load | capture | …"""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.errors import Alarm, Unconfirmed, refusal
from medallion_lib.parser import parser
from medallion_lib.progress import LOG, with_times
from medallion_lib.tables import NONE, Tables
from medallion_lib.upkeep.alarms import Limits, alarms
from medallion_lib.watch.plan import Asked
from medallion_lib.watching import Begun

T = TypeVar("T")


def up(lab: Medallion) -> str:
    """start the server, and make the databases if there are none"""
    names = [lab.warehouse_name] if lab.own_source else [lab.source_name, lab.warehouse_name]
    with databases.administering(lab.place.url) as cursor:
        there = [databases.exists(cursor, name) for name in names]
    if any(there) and not all(there):
        raise refusal("half a pair", source=lab.source_name, warehouse=lab.warehouse_name)
    if not all(there):
        lab.reset()
    made = "is there already" if all(there) else "was made now, empty"
    told = "It was started now." if lab.was_started else "It ran already."
    told = [f"PostgreSQL runs: {lab.place.place}", told, *(f"Database {x} {made}." for x in names)]
    return "\n".join(told)


def down(lab: Medallion, forget: bool, yes: bool) -> str:
    """stop the server; its data is kept"""
    if forget and lab.own_source:
        lab.must_run()  # the warehouse knows which slot and publication are its own
        _sure(lab, lab.forget, yes)
    told = "PostgreSQL is stopped." if lab.down() else "There was no server of ours to stop."
    if lab.own_source and forget:
        told += "\nThe slot is gone from your source, and the publication if this role owned it."
        told += "\nTo go on: python -m medallion_lib capture --resnapshot"
    elif lab.own_source:
        told += f"\nA slot {lab.slot} at your source stays, and keeps log until capture goes on,"
        told += " if a capture has made it."
        told += "\nTo remove it for good: python -m medallion_lib down --forget"
    elif forget:
        told += "\nNothing was forgotten: the sample shop's slot goes with its database."
    return told


def watch(
    lab: Medallion, what: list[str], add: list[str], remove: list[str], exclude: list[str],
    key: list[str], strict: bool, dry_run: bool, yes: bool,
) -> str:  # fmt: skip
    """keep every change of tables of your own"""
    _heed_signals(_interrupt_once)  # a second Ctrl+C is not to end the undoing of what was begun
    if remove:
        told = "No longer watched; bronze and history stay:"
        return _listed(told, _sure(lab, lab.remove, yes, remove))
    pairs = (each.rpartition("=") for each in key)
    keys = {table: tuple(columns.split(",")) for table, _, columns in pairs}
    names = tuple(add or (each for each in what if "://" not in each))
    asked = Asked(names, tuple(exclude), keys, strict, lab.declared or NONE)
    if dry_run or yes:
        told = lab.preview(asked, adding=bool(add))
        if dry_run:
            return told
        print(lab.typed(told), file=sys.stderr)
    if add:
        return _listed("Watched from now on, too:", _sure(lab, lab.add, yes, asked))
    return _how_to_go_on(lab, _sure(lab, partial(lab.watch, made=_heed_no_signals), yes, asked))


def _how_to_go_on(lab: Medallion, begun: Begun) -> str:
    typed = f"python -m medallion_lib --name {lab.name}"
    at = f"{begun.since:%Y-%m-%d %H:%M:%S.%f+00}"
    told = [f"{begun.rows:,} rows are in bronze. History begins at {at}. To go on:",
            f"    {typed} capture --follow --merge"]  # fmt: skip
    if begun.example:
        query = f"SELECT * FROM {begun.example}('{at}') LIMIT 5"
        quoted = shlex.quote(query) if set('"$`\\!') & {*query} else f'"{query}"'
        told += ["To ask for rows as they were at an instant:",
                 f'    psql "$({typed} url warehouse)" -c {quoted}']  # fmt: skip
    return "\n".join(told)


def unwatch(lab: Medallion, drop_warehouse: bool, yes: bool) -> str:
    """watch a source of your own no more"""
    return _listed("Removed:", _sure(lab, lab.unwatch, yes, drop_warehouse))


def _listed(told: str, names: list[str]) -> str:
    return "\n".join([told, *(f"    {each}" for each in names or ["nothing"])])


def reset(lab: Medallion, year: bool, yes: bool) -> str:
    """start again with an empty source and warehouse"""
    _sure(lab, lab.reset, yes, year)
    return f"Reset: {'the sample year, captured and merged' if year else 'nothing in it yet'}."


def replay(lab: Medallion, until: str | None, scale: int | None) -> str:
    """play the sample year through the source"""
    return f"Replayed {lab.replay(until, scale):,} events."


def load(lab: Medallion, file: str, yes: bool) -> str:
    """replace the source's data by Pagila's own"""
    return f"Loaded {_sure(lab, lab.load, yes, file)} tables. The next capture takes a snapshot."


def _heed_signals(by: Callable[..., object] = signal.default_int_handler) -> None:
    """Be interrupted by each that asks to end: a shell starts background work deaf to SIGINT."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, by)


_heed_no_signals = partial(_heed_signals, lambda *_: None)


def _interrupt_once(*_: object) -> None:
    _heed_no_signals()
    raise KeyboardInterrupt


def capture(lab: Medallion, follow: bool, resnapshot: bool, merging: bool, yes: bool) -> str:
    """land the source's changes in bronze"""
    _heed_signals()
    if follow:
        with_times()
    try:
        landed = _sure(lab, lab.capture, yes, follow, resnapshot, merging)
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


def rebuild(lab: Medallion, yes: bool) -> str:
    """make silver anew from bronze, and compare"""
    done = _sure(lab, lab.rebuild, yes)
    if any(table.lost or table.gained for table in done):
        raise MedallionError(f"Silver was made anew, and is not what it was:\n{_table(done)}")
    return f"Silver was made anew, identical in every row.\n{_table(done)}"


def upgrade(lab: Medallion, yes: bool) -> str:
    """bring a warehouse that earlier code made to this code's form"""
    done = _sure(lab, lab.upgrade, yes)
    return f"Brought along.\n{_table(done)}" if done else "It has this code's form already."


def prune(lab: Medallion, before: str, yes: bool) -> str:
    """delete the history from before an instant, for good"""
    return _table(_sure(lab, lab.prune, yes, before))


def erase(lab: Medallion, table: str, key: list[str], columns: list[str], yes: bool) -> str:
    """erase a row's values from bronze, silver and every version, for good"""
    said = key[0] if len(key) == 1 else tuple(key)
    return _table(_sure(lab, lab.erase, yes, table, said, columns))


def marts(lab: Medallion, directory: str) -> str:
    """make the views of a directory's SQL files in gold"""
    done = lab.marts(directory)
    told = [f"Made in gold: {', '.join(done.made) or 'nothing'}."]
    told += [f"No longer there: {', '.join(done.gone)}."] * bool(done.gone)
    return "\n".join([*told, *done.refused.values()])


def _sure(lab: Medallion, work: Callable[..., T], yes: bool, *arguments: object) -> T:
    """Do work that may end history: with a yes, or one that a person types once told what ends."""
    try:
        return work(*arguments, yes=yes)
    except Unconfirmed as told:
        if not (sys.stdin and sys.stdin.isatty()):
            raise
        print(f"{lab.typed(str(told))}\nDo it? y or yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise refusal("not done")
    return work(*arguments, yes=True)


def _table(done: Sequence[NamedTuple]) -> str:
    """Counts by silver table, in columns."""
    rows = [done[0]._fields, *((row[0], *(f"{count:,}" for count in row[1:])) for row in done)]
    width = max(20, *(len(row[0]) + 1 for row in rows))
    return "\n".join(f"{name:<{width}}" + "".join(f"{x:>10}" for x in rest) for name, *rest in rows)


def status(
    lab: Medallion, json_: bool, exact: bool, check: bool, max_lag: int, max_wal: int | None
) -> str:
    """how far everything is"""
    if check:
        if told := lab.alarms(Limits(max_lag, max_wal)):
            raise Alarm("\n".join(told))
        return "All is well."
    lab.must_run()
    found = lab.status(exact)
    return json.dumps(found, indent=2) if json_ else str(found)


def metrics(lab: Medallion, listen: str | None) -> str:
    """the same for monitors, as OpenMetrics text"""
    from medallion_lib.upkeep import metrics  # what no other command waits for

    lab.must_run()

    def read() -> str:
        return metrics.metrics(lab.name, found := lab.status(), alarms(found, Limits()))

    if listen is None:
        return read().rstrip("\n")
    _heed_signals()
    with metrics.server(listen, read, lab.alarms, lab.typed) as answering:
        host, port, *_ = answering.server_address
        print(f"Listening on http://{host}:{port}/metrics and /health.", flush=True)
        try:
            answering.serve_forever()
        except KeyboardInterrupt:
            return "Stopped."


def url(lab: Medallion, which: str, sqlalchemy: bool) -> str:
    """where to connect with psql; without the password, which psql asks for"""
    lab.must_run()
    found = server.libpq(lab.address(which)._replace(password=None))
    return found.replace(":", "+psycopg2:", 1) if sqlalchemy else found


def serve(lab: Medallion, listen: str | None, cert: str | None, key: str | None) -> str:
    """let any client say FOR SYSTEM_TIME: psql, JDBC, dashboards"""
    from medallion_lib import serve  # what no other command waits for
    from medallion_lib.pair import SEARCH_PATH

    lab.address("warehouse")  # or the refusal that says how to make it
    serve.run(lab.place, SEARCH_PATH, lab.notebook_url, listen, cert, key)
    return "Stopped."


def models(lab: Medallion, names: list[str]) -> str:
    """print SQLAlchemy models of tables and views"""
    from medallion_lib.models import source  # what no other command waits for

    lab.must_run()
    lab.address("warehouse")  # or the refusal that says how to make it
    return source(lab.warehouse, *names)


COMMANDS = (up, down, watch, unwatch, reset, replay, load, capture, merge, verify, rebuild, upgrade,
            prune, erase, marts, status, metrics, url, serve, models)  # fmt: skip
READ_ONLY = (down, status, metrics, url, models)  # they start nothing, and write nothing
LATE = (*READ_ONLY, watch)  # which starts a server once it was told to
MAKING = (up, reset, load)  # they alone make a server's home


def main() -> int:
    asked = vars(parser(COMMANDS).parse_args())
    command, name, file = (asked.pop(each) for each in ("command", "name", "tables"))
    typed = str
    try:
        tables = Tables.from_toml(file) if file else None
        source = next((each for each in asked.get("what", ()) if "://" in each), None)
        lab = Medallion.find(name, tables=tables, source=source)
        typed = lab.typed
        LOG.addFilter(lambda told: setattr(told, "msg", typed(told.msg)) is None)
        if command not in LATE:
            lab = Medallion.open(name, command in MAKING, tables)
        print(typed(command(lab, **asked)))
    except Alarm as told:
        print(typed(str(told)))
        return 2
    except MedallionError as problem:
        print(typed(str(problem)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
