"""Bring a row of the source back to what it was, by a new change that is in history itself."""

from datetime import datetime

from psycopg2 import IntegrityError, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.forms import AS_OF
from medallion_lib.shape import Shape
from medallion_lib.tables import Versioned


def undo(
    warehouse: Cursor, source: Cursor, table: Versioned, key: object, at: str | datetime
) -> str:
    """Write the row of `key` to the source as silver has it as of an instant; the statement sent.

    A row that did not exist then is deleted, one that is gone is inserted. Columns that silver
    does not track stay as they are. Raises MedallionError where the source refuses the row.
    """
    if table.key_of:
        raise refusal("undo of a link", table=table.name, source=table.source)
    names = [name for name in Shape.read(warehouse, table).tracked if name not in table.gone]
    as_of = sql.Identifier(table.schema, table.name + AS_OF.suffix)
    select = sql.SQL("SELECT {} FROM {}(%s) WHERE {} = %s")
    columns = sqlfile.identifiers(names)
    warehouse.execute(select.format(columns, as_of, sql.Identifier(table.key)), (at, key))
    row = warehouse.fetchone()
    parts = {"table": sql.Identifier("public", table.source), "key": sql.Identifier(table.key)}
    try:
        if row is None:
            source.execute(sql.SQL("DELETE FROM {table} WHERE {key} = %s").format(**parts), (key,))
            return source.query.decode()
        at_source = [table.in_bronze(name)[-1] for name in names]
        parts["changes"] = sqlfile.identifiers(at_source, "{} = %s")
        update = sql.SQL("UPDATE {table} SET {changes} WHERE {key} = %s")
        source.execute(update.format(**parts), (*row, key))
        if source.rowcount == 0:
            parts["columns"] = sqlfile.identifiers([table.key, *at_source])
            insert = sql.SQL("INSERT INTO {table} ({columns}) VALUES %s").format(**parts)
            source.execute(insert, ((key, *row),))
        return source.query.decode()
    except IntegrityError as problem:
        reason = problem.diag.message_detail or problem.diag.message_primary
        facts = {"table": table.source, "key": key, "at": at, "reason": reason}
        raise refusal("undo not taken", **facts) from None
