"""The whole sample year, prepared once for each set of tables and cloned from then on."""

import hashlib
import json
from typing import Any

from medallion_lib import server, sqlfile
from medallion_lib.server import databases
from medallion_lib.server.embedded import CHECKOUT
from medallion_lib.source import slot
from medallion_lib.tables import Tables

Medallion = Any  # which imports this where it is asked for


def prepared_year(lab: Medallion, tables: Tables) -> tuple[str, str]:
    """The template databases of the year, made now if there are none for this data and code."""
    begin = f"medallion-{_digest(json.dumps(tables.as_json()).encode())}-"  # no lab's has a hyphen
    name = begin + _code()
    made = f"{name}_source", f"{name}_warehouse"
    with databases.administering(lab.place.url, lock="medallion.year") as cursor:
        if not all(databases.exists(cursor, database) for database in made):
            cursor.execute(sqlfile.read("shop/prepared"), (begin,))
            for (stale,) in cursor.fetchall():
                databases.drop(cursor, stale)
            year = type(lab)(lab.place, "_year", tables)
            try:
                _play(year)
                databases.rename(cursor, year.source_name, made[0])
                databases.rename(cursor, year.warehouse_name, made[1])
            finally:
                year.drop()
    return made


def _play(lab: Medallion) -> None:
    lab.reset()
    lab.replay()
    lab.capture()
    lab.merge()
    with databases.administering(lab.warehouse_url) as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    with databases.administering(lab.source_url) as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        slot.drop(cursor, lab.slot)


def strangers(lab: Medallion) -> int:
    """How many tables are in the sample's source that nothing here has built."""
    with server.session(lab.source_url) as cursor:
        cursor.execute(sqlfile.read("shop/strangers"))
        return cursor.fetchone()[0]


def _code() -> str:
    """What a prepared year depends on: the data and the code that plays, captures and merges it."""
    code = (path for end in ("py", "sql", "toml") for path in sqlfile.DIRECTORY.rglob(f"*.{end}"))
    files = sorted([*CHECKOUT.glob("data/*.csv"), *code])
    return _digest(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files))


def _digest(what: bytes) -> str:
    return hashlib.sha256(what).hexdigest()[:12]
