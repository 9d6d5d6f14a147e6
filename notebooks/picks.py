"""The live correction: what an audience may pick, and its message in the log."""

from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from sqlalchemy import Engine

from medallion_lib.errors import MedallionError

CENT, LIMIT = Decimal("0.01"), Decimal("999.99")  # payment.amount is numeric(5, 2)
LARGEST = """
    SELECT store_id, max(amount)
    FROM fact_payment_current
    WHERE store_id IS NOT NULL AND payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
    GROUP BY store_id ORDER BY store_id"""
PEEK = """
    SELECT data FROM pg_logical_slot_peek_binary_changes(
        %s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)"""


def check(warehouse: Engine, store: Any, amount: Any) -> tuple[int, float]:
    """Both as they are, if the store's largest June payment would stay a payment."""
    with warehouse.connect() as connection:
        largest = {row[0]: row[1] for row in connection.exec_driver_sql(LARGEST)}
    if not _is(store, Integral) or store not in largest:
        stores = ", ".join(map(str, largest))
        raise MedallionError(f"{store!r} is no store: write one of {stores}, then the amount.")
    low, high = CENT - largest[store], LIMIT - largest[store]
    if not _is(amount, Real | Decimal) or not _is_correction(Decimal(str(amount)), low, high):
        raise MedallionError(
            f"{amount!r} can't be added to store {store}'s {largest[store]}: "
            f"write {low} to {high}, in cents, not 0."
        )
    print(f"Store {store}'s largest June payment, {largest[store]}, to get {float(amount):+,.2f}.")
    return int(store), float(amount)


def peek(source: Engine, slot: str, payment_id: int) -> bytes:
    """The slot's waiting message that updates this payment. It stays in the slot.

    Raises MedallionError when none does.
    """
    with source.connect() as connection:
        rows = connection.exec_driver_sql(PEEK, (slot, "medallion")).scalars()
        waiting = [bytes(data) for data in rows]
    known = str(payment_id).encode()
    for message in waiting:
        if message[:1] == b"U" and known in message:
            return message
    raise MedallionError(
        f"No update of payment {payment_id} waits in the log: run the UPDATE's cell, then this one."
    )


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_correction(amount: Decimal, low: Decimal, high: Decimal) -> bool:
    if not amount.is_finite() or not low <= amount <= high:
        return False
    return amount != 0 and amount == amount.quantize(CENT)
