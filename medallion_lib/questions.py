"""Questions people ask of history, each one statement, which the answer carries along."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import sql
from sqlalchemy import Engine, text

from medallion_lib import sqlfile, tables
from medallion_lib.errors import refusal

# Which payments, p, and their rentals, r, a mart adds up in one cell.
CELLS = {
    "vw_monthly_revenue": {"store_id": "p.store_id",
                           "revenue_month": "date_trunc('month', p.payment_date)"},
    "vw_top_titles": {"film_id": "r.film_id",
                      "rental_month": "date_trunc('month', r.rental_date)"},
    "vw_store_scorecard": {"store_id": "p.store_id",
                           "business_date": "date_trunc('day', p.payment_date)"},
}  # fmt: skip


class Answer(NamedTuple):
    """Rows, their columns, and the statement that gave them."""

    sql: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def _ask(engine: Engine, statement: sql.Composed, **values: object) -> Answer:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        written = statement.as_string(driver)
        found = connection.execute(text(written), values)
        return Answer(written, tuple(found.keys()), [tuple(row) for row in found])


def changed(engine: Engine, relation: str, by: Sequence[str], since: str, until: str) -> Answer:
    """What changed in a table, view or mart between two instants: a row for each value.

    `by` are the columns that tell its rows apart. `change` is new, gone or changed.
    """
    statement = sqlfile.compose(
        "question_changed",
        relation=sql.Identifier(relation),
        keys=sqlfile.identifiers(by),
        key_before=sqlfile.identifiers(by, "before.{}"),
        key_after=sqlfile.identifiers(by, "after.{}"),
        key_values=sqlfile.identifiers(by, "coalesce(after.{0}, before.{0}) AS {0}"),
        key_names=sqlfile.each(map(sql.Literal, by)),
    )
    return _ask(engine, statement, since=since, until=until)


def receipt(engine: Engine, mart: str, at: str, **cell: object) -> Answer:
    """The payments that a mart's cell adds up as of an instant, and where each comes from.

    A row for each payment: the event in bronze that made its version, with the position of the
    transaction in the source's log. The cell is named by the mart's grain, as in
    `receipt(engine, "vw_monthly_revenue", "2023-07-01", store_id=5, revenue_month="2023-06-01")`.
    """
    grain = CELLS.get(mart, {})
    if not grain or cell.keys() != grain.keys():
        named = "; ".join(f"{name}: {', '.join(columns)}" for name, columns in CELLS.items())
        raise refusal("no such cell", mart=mart, cell=", ".join(cell) or "nothing", named=named)
    pair = sql.SQL("{} IS NOT DISTINCT FROM {}")
    found = [pair.format(sql.SQL(grain[name]), sql.Literal(value)) for name, value in cell.items()]
    condition = sql.SQL(" AND ").join(found)
    return _ask(engine, sqlfile.compose("question_receipt", cell=condition), at=at)


def life(engine: Engine, table: str, key: object) -> Answer:
    """The versions of one key of a versioned table, oldest first, each with what it changed."""
    declared = tables.versioned(table)
    parts = {"table": declared.silver, "key": sql.Identifier(declared.key)}
    return _ask(engine, sqlfile.compose("question_life", **parts), key=key)
