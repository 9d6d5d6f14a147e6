"""A warehouse that an earlier version of the package made; tests/data/earlier says how."""

from __future__ import annotations

import gzip
from pathlib import Path

from medallion_lib import Medallion, databases, server

DATA = Path(__file__).parent / "data" / "earlier"
PLAYED = ("stock", "merged", "captured")


def restore(lab: Medallion, dump: str = "warehouse", played: tuple[str, ...] = PLAYED) -> None:
    """Put the dumped warehouse in place of the lab's, and bring its empty source to where that was.

    As after any restore on another server, the source is not the one that bronze was captured from.
    """
    with server.session(lab.source_url, autocommit=True) as shop:
        for name in played:
            shop.execute((DATA / f"{name}.sql").read_text(encoding="utf-8"))
    with databases.administering(lab.place.url) as cursor:
        databases.drop(cursor, lab.warehouse_name)
        databases.create(cursor, lab.warehouse_name)
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(gzip.decompress((DATA / f"{dump}.sql.gz").read_bytes()))
