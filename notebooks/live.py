"""Chapter 8's shop, which sells while the chapter looks at gold."""

import json
import threading
import time
from contextlib import closing
from typing import Any

import pandas as pd
from IPython.display import display
from psycopg2.extensions import connection as Connection
from sqlalchemy import Connection as SQLConnection
from sqlalchemy import Engine, text

import charts
from medallion_lib import Medallion, MedallionError, server
from medallion_lib.gold.alerts import CHANNEL

PAUSE = 0.1  # seconds between two sales
PATIENCE = 60  # seconds
OUT = text("""SELECT rental_id, rental.customer_id, rental.staff_id, rental_rate AS amount
FROM rental JOIN inventory USING (inventory_id) JOIN film USING (film_id)
WHERE return_date IS NULL ORDER BY rental_id LIMIT :count""")
BACK = text("UPDATE rental SET return_date = now() WHERE rental_id = :rental_id")
PAID = text("""INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
VALUES (:customer_id, :staff_id, :rental_id, :amount, now()) RETURNING payment_id""")
CORRECTED = text("UPDATE payment SET amount = :amount WHERE payment_id = :payment_id")
KNOWN = text("""SELECT 1 FROM fact_payment_current
WHERE payment_id = :payment_id AND amount = CAST(:amount AS numeric)""")
TOTAL = "SELECT coalesce(sum(amount), 0) FROM {} WHERE payment_date >= %(since)s"
TODAY = """SELECT store_id,
    coalesce(sum(daily_revenue) FILTER (WHERE business_date >= %(since)s::date), 0) AS daily_revenue
FROM vw_store_scorecard GROUP BY store_id"""


def pay(lab: Medallion, amount: float | None = None) -> int:
    """A film comes back and is paid for, in one transaction; the payment's number.

    The price is the film's, unless a clerk types another.
    """
    with lab.source.begin() as shop:
        (rental,) = shop.execute(OUT, {"count": 1}).mappings()
        facts = {**rental, "amount": rental["amount"] if amount is None else amount}
        shop.execute(BACK, facts)
        return shop.execute(PAID, facts).scalar_one()


def correct(lab: Medallion, payment_id: int, amount: float) -> None:
    """Correct a payment in the shop, and wait until gold has it."""
    facts = {"payment_id": payment_id, "amount": amount}
    with lab.source.begin() as shop:
        shop.execute(CORRECTED, facts)
    began = time.monotonic()
    while pd.read_sql(KNOWN, lab.warehouse, params=facts).empty:
        _wait(began)


def sell(lab: Medallion, count: int, *, alt: str) -> None:
    """Have films paid for, and show what gold says of today until it has the last payment."""
    with _looking(lab.warehouse) as gold, _looking(lab.source) as shop:
        since = gold.exec_driver_sql("SELECT date_trunc('day', now(), 'UTC')").scalar_one()
        facts = {"since": since}

        def today() -> charts.Picture:
            return charts.tills(pd.read_sql(TODAY, gold, params=facts), alt=alt)

        shown = display(today(), display_id=True)
        sales = threading.Thread(target=_sales, args=(lab, count), daemon=True)
        sales.start()
        began, before, is_whole = time.monotonic(), None, False
        while not is_whole:
            is_over = not sales.is_alive()
            paid = shop.exec_driver_sql(TOTAL.format("payment"), facts).scalar_one()
            known = gold.exec_driver_sql(TOTAL.format("fact_payment_current"), facts).scalar_one()
            if known != before:
                shown.update(today())
            before, is_whole = known, is_over and known == paid
            _wait(began)


def _looking(engine: Engine) -> SQLConnection:
    """A connection whose each look is at what is there then."""
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()


def _wait(began: float) -> None:
    """A moment. Raises MedallionError once there were too many."""
    if time.monotonic() > began + PATIENCE:
        raise MedallionError(f"Gold is behind for {PATIENCE} s: is capture at work?")
    time.sleep(PAUSE / 2)


def _sales(lab: Medallion, count: int) -> None:
    for _ in range(count):
        pay(lab)
        time.sleep(PAUSE)


def listen(lab: Medallion) -> Connection:
    """A connection that is told of what is new in gold's rules."""
    listening = server.connect(lab.notebook_url)
    listening.autocommit = True
    with closing(listening.cursor()) as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    return listening


def heard(listening: Connection) -> dict[str, Any]:
    """The next alert: its rule, the instant up to which gold was final, and the row."""
    began = time.monotonic()
    while not listening.notifies:
        _wait(began)
        listening.poll()
    return json.loads(listening.notifies.pop(0).payload)
