"""Write the sample year: the opening stock, the year's events, and June's board pack.

    python data/generate.py [--scale N] [--out DIR]

The same bytes on every platform, from the standard library alone.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import season
import story
import year
from dice import Dice
from opening import HEADERS, build, money
from shop import JUNE, Event, Shop

SEED = 2023
EVENT_COLUMNS = (
    "at", "event", "rental_id", "payment_id", "customer_id", "inventory_id", "film_id", "store_id",
    "staff_id", "address_id", "amount", "payment_date", "detail")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--scale", type=_scale, default=1, metavar="N",
                         help="N times the customers, copies, rentals and payments (default 1)")
    options.add_argument("--out", type=Path, default=Path(__file__).resolve().parent,
                         metavar="DIR", help="where to write (default: beside this script)")
    chosen = options.parse_args()
    generate(chosen.out, chosen.scale)


def generate(out: Path, scale: int = 1) -> None:
    stock = build(Dice(SEED), scale)
    shop, lost = year.play(stock, Dice(SEED + 1), scale)
    story.tell(shop, lost, Dice(SEED + 2))
    _number(shop)
    out.mkdir(parents=True, exist_ok=True)
    for table, rows in stock.tables.items():
        _write(out / f"{table}.csv", HEADERS[table].split(","), rows)
    _write(out / "events.csv", EVENT_COLUMNS, map(_line, shop.events))
    _write(out / "board_pack_2023-07-01.csv",
           ("store_id", "total_revenue", "total_transactions"), _board_pack(shop))
    _checksums(out)


def _scale(text: str) -> int:
    scale = int(text)
    if scale < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 1")
    return scale


def _number(shop: Shop) -> None:
    """Give every event a second of its own, never a whole minute's, and payments their ids."""
    at = payments = 0
    for event in shop.events:
        at = max(event.at, at + 1)
        at += at % 60 == 0
        event.at = at
        if event.payment and not event.payment.number:
            payments += 1
            event.payment.number = payments
            if "payment_date" not in event.fields:
                event.payment.at = at


def _line(event: Event) -> list[object]:
    fields = {**event.fields, "at": season.stamp(event.at), "event": event.kind}
    payment = event.payment
    if payment:
        fields["payment_id"] = payment.number
        if event.kind in ("pay", "refund"):
            fields |= {"rental_id": payment.rental, "customer_id": payment.customer,
                       "staff_id": payment.staff, "amount": money(payment.amount)}
        else:
            fields["payment_date"] = season.stamp(payment.at)
        if "cents" in fields:
            fields["amount"] = money(int(str(fields["cents"])))
    if "detail" in fields:
        fields["detail"] = json.dumps(fields["detail"], separators=(",", ":"))
    return [fields.get(column) for column in EVENT_COLUMNS]


def _board_pack(shop: Shop) -> list[tuple[int, str, int]]:
    totals = story.june(shop.events, JUNE[1])
    ranked = sorted(totals.items(), key=lambda total: (-total[1][0], total[0]))
    return [(store, money(revenue), count) for store, (revenue, count) in ranked]


def _checksums(out: Path) -> None:
    """SHA256SUMS, by which a reader notices a file that was cut short."""
    names = sorted([*HEADERS, "events", "board_pack_2023-07-01"])
    lines = [f"{sha256((out / f'{name}.csv').read_bytes()).hexdigest()}  {name}.csv\n"
             for name in names]
    (out / "SHA256SUMS").write_text("".join(lines), encoding="ascii", newline="\n")


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(header)
        lines.writerows(rows)


if __name__ == "__main__":
    main()
