"""What stands in the way of a new slot and its publication, before either is made."""

from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.source.slot import Lack, publication, publishing
from medallion_lib.tables import Table, described

TAKEN = 'A {} "{}" is there that this warehouse did not make. Give it another name, by --name.'


def obstacles(
    cursor: Cursor, name: str, captured: Sequence[Table], mark: str | None
) -> list[Lack]:
    """What of this name is another's, and whether this role lacks the right to publish the tables.

    A publication is the warehouse's own that has its mark, as `slot.marked` says it; one that has
    no mark is read if it is fit.
    """
    found = publication(cursor, name, captured)
    facts = {"captured": described(captured), "name": name}
    role, has_slot, may_publish = sqlfile.run(cursor, "source/obstacles", facts).fetchone()
    is_ours = found is not None and found.mark == mark is not None
    is_read = found is not None and found.is_fit and found.mark in (None, mark)
    if found and not (is_ours or is_read):
        return [Lack(TAKEN.format("publication", name))]
    if has_slot and not is_ours:
        return [Lack(TAKEN.format("replication slot", name))]
    if may_publish or is_read:
        return []
    sentence = f"Role {role} may not publish all of these tables. As their owner:"
    return [Lack(sentence, publishing(cursor, name, captured, mark))]
