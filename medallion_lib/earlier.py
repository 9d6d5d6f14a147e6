"""A warehouse that an earlier version made: what it has, for `rebuild` to bring along."""

from collections.abc import Iterator
from dataclasses import replace

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import VERSION, Column, Table, Tables, by_source, is_there


def form(cursor: Cursor) -> int:
    """The form of the warehouse, as tables.VERSION counts them; 0 where it does not say.

    Raises MedallionError where later code made it.
    """
    if not is_there(cursor, sql.Identifier("meta", "warehouse")):
        return 0
    found = sqlfile.run(cursor, "tables_read").fetchone()[0]
    if found > VERSION:
        database = cursor.connection.info.dbname
        raise refusal("later version", database=database, found=found, here=VERSION)
    return found


def tables(cursor: Cursor) -> Tables:
    """Those of a warehouse that keeps none: the sample's, as declared now, others by columns."""
    from medallion_lib import shop  # which is all that an earlier version made silver and gold of

    captured, versioned = sqlfile.run(cursor, "earlier_tables").fetchone()
    sample = by_source(shop.TABLES.each)
    known = {(each["schema"], each["name"]): each for each in captured}
    known |= {names: {} for names, table in sample.items() if is_there(cursor, table.bronze)}
    histories = {tuple(each["events"] or ("bronze", f"br_{each['source']}_cdc")): each
                 for each in versioned}  # fmt: skip
    return replace(shop.TABLES, each=tuple(_tables(cursor, known, sample, histories)))


def _tables(cursor: Cursor, known: dict, sample: dict, histories: dict) -> Iterator[Table]:
    for names, facts in known.items():
        table = sample.get(names) or Table.of_json(facts)
        history = histories.get(table.bronze.strings)
        if history and names in sample:
            gone = tuple(history["gone"])
            yield replace(table, renamed=history["renamed"] or table.renamed, gone=gone)
        elif history:
            made = {"history": history["name"], "silver_schema": history["schema"]}
            made |= {"renamed": history["renamed"], "gone": tuple(history["gone"])}
            table = replace(table, **made, by_month=history["by_month"])
            yield replace(table, columns=_columns(cursor, table, history))
        else:
            yield table


def _columns(cursor: Cursor, table: Table, history: dict) -> tuple[Column, ...]:
    """Those of the history as it is, but for a key that was joined of several columns."""
    joined = {history["key"]} if history["key_of"] else {}
    types = Shape.read(cursor, table).types.items()
    return tuple(Column(name, type_) for name, type_ in types if name not in joined)
