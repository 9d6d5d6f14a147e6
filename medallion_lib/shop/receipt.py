"""The payments that a number of a mart adds up, each with the event that it comes from."""

from datetime import datetime

from psycopg2 import sql
from sqlalchemy import Engine

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.gold.keys import text
from medallion_lib.gold.questions import Answer, ask

# The columns by which marts group payments, p, and their rentals, r. Those that a mart has are its
# grain.
GRAIN = {
    "store_id": "p.store_id",
    "business_date": "date_trunc('day', p.payment_date)",
    "revenue_month": "date_trunc('month', p.payment_date)",
    "film_id": "r.film_id",
    "rental_month": "date_trunc('month', r.rental_date)",
}


def receipt(engine: Engine, mart: str, at: datetime, **cell: object) -> Answer:
    """The payments that a mart's cell adds up as of an instant, and where each comes from.

    A row for each payment: the event in bronze that made its version, with the position of the
    transaction in the source's log. The cell is named by the mart's grain, as in
    `receipt(engine, "vw_monthly_revenue", "2023-07-01", store_id=5, revenue_month="2023-06-01")`.
    """
    grains = _grains(engine)
    grain = grains.get(str(mart), [])
    if not grain or cell.keys() != set(grain):
        named = "; ".join(f"{name}: {', '.join(columns)}" for name, columns in grains.items())
        raise refusal("no such cell", mart=mart, cell=", ".join(cell) or "nothing", named=named)
    pair = "{} IS NOT DISTINCT FROM %({})s"
    condition = sql.SQL(" AND ".join(pair.format(GRAIN[name], name) for name in cell))
    values = {name: None if value is None else text(value) for name, value in cell.items()}
    facts = {"mart": mart, "cell": cell, "columns": ", ".join(grain)}
    statement = sqlfile.compose("shop/receipt", cell=condition)
    return ask(engine, "cell not read", statement, facts, at=at, **values)


def _grains(engine: Engine) -> dict[str, list[str]]:
    """The marts whose cells have receipts, each with its grain in the order of its columns."""
    with engine.connect() as connection:
        marts = connection.exec_driver_sql(sqlfile.read("gold/marts")).all()
    grains = {mart: [name for name in columns if name in GRAIN] for mart, columns in marts}
    return {mart: grain for mart, grain in grains.items() if grain}
