"""The rows that a number of a mart adds up, each with the event that it comes from."""

from contextlib import closing
from datetime import datetime

from psycopg2 import sql
from sqlalchemy import Engine

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.gold.keys import equal, text
from medallion_lib.gold.questions import Answer, ask
from medallion_lib.mart import Mart
from medallion_lib.silver.shape import Shape
from medallion_lib.silver.values import PLAIN
from medallion_lib.tables import Tables


def receipt(engine: Engine, name: str, at: datetime, cell: dict[str, object]) -> Answer:
    """The rows of a history that a mart's cell adds up as of an instant, and where each comes from.

    A row for each: its columns, since when it is true, and the event in bronze that made this
    version, with the position of the transaction in the source's log; nulls where bronze has lost
    it. The cell is named by the mart's grain, as in {"store_id": 5, "revenue_month": "2023-06-01"}.
    """
    with closing(engine.raw_connection()) as connection:
        tables = Tables.read(connection.cursor())
        mart = tables.mart(str(name))
        if mart is None or cell.keys() != mart.grain.keys():
            grains = (f"{each.name}: {', '.join(each.grain)}" for each in tables.declared_marts)
            named = "; ".join(grains) or "none is declared"
            raise refusal("no such cell", mart=name, cell=", ".join(cell) or "nothing", named=named)
        shape = Shape.read(connection.cursor(), tables.history(mart.of))
    facts = {"mart": mart.name, "cell": cell, "columns": ", ".join(mart.grain)}
    return ask(engine, "cell not read", statement(shape, mart), facts, at=at, **values(mart, cell))


def values(mart: Mart, cell: dict[str, object]) -> dict[str, str | None]:
    """The cell's values as parameters of the statement: None where it names none."""
    said = (cell.get(name) for name in mart.grain)
    return {f"cell_{number}": None if value is None else text(value)
            for number, value in enumerate(said, 1)}  # fmt: skip


def statement(shape: Shape, mart: Mart) -> sql.Composed:
    """The query of a receipt. Parameters: the instant `at`, and those of `values`."""
    keys = shape.keys
    shown = mart.columns or dict.fromkeys([*keys, *shape.types])
    pair = sql.SQL("({}) IS NOT DISTINCT FROM %(cell_{})s")
    counted = [sql.SQL("({})").format(_written(mart.where))] if mart.where else []
    counted += [pair.format(_written(expression), sql.SQL(str(number)))
                for number, expression in enumerate(mart.grain.values(), 1)]  # fmt: skip
    return sqlfile.compose(
        "gold/receipt",
        history=shape.table.silver,
        bronze=shape.table.bronze,
        joins=_written(mart.joins),
        is_counted=sql.SQL(" AND ").join(counted),
        columns=sqlfile.identifiers(shown, "counted.{}"),
        **_events(shape),
        key=sqlfile.identifiers(keys, "counted.{}"),
    )


def _written(text: str) -> sql.SQL:
    """SQL of a mart's, in a statement with parameters."""
    return sql.SQL(text.replace("%", "%%").replace("{at}", "%(at)s"))


def _events(shape: Shape) -> dict[str, sql.Composable]:
    """Where the events of a row are looked for, and by what.

    Bronze has an index of the text of the key's last column, which serves where the history prints
    equal values alike and the column was never renamed.
    """
    is_same = equal(((name, shape.value(name, "event.")) for name in shape.keys), "counted")
    last = shape.keys[-1]
    if shape.plain[last] not in (*PLAIN, "text") or len(shape.table.in_bronze(last)) > 1:
        return {"events": sql.Identifier("happened"), "is_of_row": is_same}
    parts = is_same, shape.text(last, "event."), sql.Identifier("counted", last)
    by_text = sql.SQL("{} AND {} = {}::text").format(*parts)
    return {"events": shape.table.bronze, "is_of_row": by_text}
