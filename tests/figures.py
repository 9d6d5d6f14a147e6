"""A sample of every figure, the frames they are drawn from, and the texts they show."""

import json
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from decimal import Decimal
from tempfile import NamedTemporaryFile
from typing import Any

import pandas as pd

import charts
from charts.figure import Picture

THEN = {1: "8213.07", 2: "9401.31", 3: "7544.88", 4: "7021.45", 5: "9412.51", 6: "7402.10",
        7: "8077.92"}  # fmt: skip
NOW = THEN | {2: "9466.74", 5: "9406.52"}
CORRECTED = NOW | {3: "7794.88"}
STEPS = {"posted late": "81.37", "corrected": "-9.96", "voided": "-5.98"}


def by_store(revenue: dict[int, str]) -> pd.DataFrame:
    amounts = [Decimal(amount) for amount in revenue.values()]
    return pd.DataFrame({"store_id": list(revenue), "total_revenue": amounts})


def titles(*amounts: float) -> pd.DataFrame:
    names = [f"The <Long> Road & {number}" for number in range(len(amounts))]
    return pd.DataFrame({"film_id": range(len(amounts)), "title": names, "total_revenue": amounts})


def scorecard(*amounts: float) -> pd.DataFrame:
    days = [date(2023, 6, day) for day in range(1, len(amounts) + 1)]
    return pd.DataFrame({"store_id": 2, "business_date": days, "daily_revenue": amounts})


def june(then: dict[int, str] = THEN, now: dict[int, str] = NOW, alt: str = "June") -> Picture:
    return charts.june(by_store(then), by_store(now), alt=alt)


def waterfall(end: str = "9466.74", alt: str = "Steps") -> Picture:
    steps = pd.DataFrame({"label": STEPS.keys(), "amount": map(Decimal, STEPS.values())})
    start = ("Board pack, 1 July", THEN[2])
    return charts.waterfall(steps, start, ("Today", end), alt=alt, subject="Store 2's June")


def lead(amount: str = "-20.00", alt: str = "A lead") -> Picture:
    """Store 5's lead over store 2, from $10.00 to a payment of store 2 less 10.00."""
    then, now = by_store({5: "30.00", 2: "20.00"}), by_store({5: "30.00", 2: "40.00"})
    changed = pd.DataFrame({
        "store_id": [2, 3], "kind": ["posted late", "corrected"], "customer": ["Ann Ash", "Bo Birk"],
        "amount": [Decimal("20.00"), Decimal("1.00")], "posted": [pd.Timestamp("2023-07-09")] * 2,
        "difference": [-Decimal(amount), Decimal("0.50")],
    })  # fmt: skip
    return charts.lead(then, now, changed, alt=alt)


def moved(
    after: dict[int, str] = CORRECTED, still: dict[int, str] = THEN, alt: str = "A move"
) -> Picture:
    frames = (by_store(revenue) for revenue in (THEN, still, NOW, after))
    return charts.moved(*frames, alt=alt)


def three_marts(alt: str = "Marts") -> Picture:
    return charts.three_marts(
        (by_store(THEN), by_store(NOW)),
        (titles(90, 80.5, 70, 60, 50, 40), titles(90, 91.25, 70, 60, 50, 55)),
        (scorecard(10, 20, 30), scorecard(10, 24.99, 30)),
        alt=alt,
    )


def life(*versions: tuple[str, str, str]) -> pd.DataFrame:
    """From, until and e-mail, a row a version; no end is infinity."""
    start, end, email = zip(*versions, strict=True) if versions else ((), (), ())
    ends = [pd.Timestamp(day, tz=UTC) if day else datetime.max.replace(tzinfo=UTC) for day in end]
    starts = [pd.Timestamp(day, tz=UTC) for day in start]
    return pd.DataFrame({"customer_id": 42, "store_id": 2, "email": email,
                         "sys_start": starts, "sys_end": ends})  # fmt: skip


LIFE = [("2022-12-31", "2023-02-11", "a@x"), ("2023-02-11", "2023-10-03", "b@x"),
        ("2023-10-03", "", "a@x")]  # fmt: skip


def versions(*rows: tuple[str, str, str], alt: str = "A life") -> Picture:
    return charts.versions(life(*(rows or LIFE)), alt=alt)


def by_month(*amounts: float | None, store: int | None = 2) -> pd.DataFrame:
    rows = [(store, date(2023, month, 1), amount) for month, amount in enumerate(amounts, 1)]
    frame = pd.DataFrame(rows, columns=["store_id", "revenue_month", "total_revenue"])
    return frame.dropna(subset="total_revenue")


def months(*amounts: float | None, alt: str = "Months") -> Picture:
    return charts.months(pd.concat([by_month(1, 2), by_month(*amounts, store=5)]), alt=alt)


def two_months(before: dict[str, float], after: dict[str, float], what: str) -> pd.DataFrame:
    rows = [(title, date(2023, month, 1), amount) for month, side in ((7, before), (8, after))
            for title, amount in side.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["title", "rental_month", what])


JULY = {"Up": 3, "Down": 9, "Same": 5, "Out": 2}
AUGUST = {"Up": 11, "Down": 1, "Same": 5, "In": 4}


def movers(after: dict[str, float] = AUGUST, alt: str = "Titles") -> Picture:
    return charts.titles(two_months(JULY, after, "total_rentals"), alt=alt)


def calendar(*amounts: float, alt: str = "Days") -> Picture:
    return charts.calendar(scorecard(*(amounts or (10, 20, 30))), alt=alt)


HELD = [("bronze", 50_000, 9_000_000), ("bronze", 9_547, 1_000_000), ("silver", 54_937, 5_000_000),
        ("gold", 84, None)]  # fmt: skip


def layers(*rows: tuple[str, int, int | None], alt: str = "Layers") -> Picture:
    frame = pd.DataFrame(rows or HELD, columns=["layer", "rows", "bytes"])
    return charts.layers(frame, alt=alt)


COSTS = [("<Copy>, 500 a transaction", "native", 0.75), ("<Copy>, 500 a transaction", "nowhere", 0.2),
         ("Look up & add", "MariaDB", 2.5)]  # fmt: skip


def costs(*rows: tuple[str, str, float], alt: str = "Costs") -> Picture:
    return charts.costs(pd.DataFrame(rows or COSTS, columns=["what", "beside", "ratio"]), alt=alt)


FORMS = [("This book", 10, 0), ("Poll", 9, 0), ("MERGE", 2, 5)]


def forms(*rows: tuple[str, int, int], alt: str = "Forms") -> Picture:
    frame = pd.DataFrame(rows or FORMS, columns=["form", "kept", "wrong"])
    return charts.forms(frame, alt=alt)


def commits(*written: int, alt: str = "Commits") -> Picture:
    places = written or (1, 3, 2)
    names = [f"U {number}" for number in range(len(places))]
    return charts.commits(pd.DataFrame({"change": names, "written": places}), alt=alt)


SEGMENTS = [("loyal", 10, "60.00"), ("regular & <more>", 80, "40.00"), ("never rented", 10, "0")]


def segments(*rows: tuple[str, int, str], alt: str = "Segments") -> Picture:
    frame = pd.DataFrame(rows or SEGMENTS, columns=["segment", "customers", "money"])
    return charts.segments(frame.astype({"money": object}), alt=alt)


COHORTS = [(1, 1, 40), (1, 2, 30), (1, 3, 10), (2, 2, 8), (2, 3, 8), (3, 3, 5)]


def cohorts(*rows: tuple[int, int, int], alt: str = "Cohorts") -> Picture:
    each = [(date(2023, begun, 1), date(2023, month, 1), count) for begun, month, count in rows or COHORTS]
    frame = pd.DataFrame(each, columns=["cohort_month", "rental_month", "customers"])
    return charts.cohorts(frame, alt=alt)


RISKS = [("low", 50, 45), ("high", 20, 5)]


def churn(*rows: tuple[str, int, int], alt: str = "Churn") -> Picture:
    frame = pd.DataFrame(rows or RISKS, columns=["churn_risk", "customers", "rented_again"])
    return charts.churn(frame, alt=alt, on="1 July", by="1 September")


# As dbt's manifest.json has it: a source, a seed, and models by their layer.
MADE = {"staging.stg_a": ["source.x.silver.a"], "staging.stg_b": ["source.x.silver.a"],
        "intermediate.int_ab": ["model.x.stg_a", "model.x.stg_b"],
        "star.dim_a": ["model.x.int_ab", "seed.x.holidays"], "star.fact_b": ["model.x.stg_b", "model.x.dim_a"]}  # fmt: skip


def lineage(made: dict[str, list[str]] = MADE, alt: str = "Lineage") -> Picture:
    nodes: dict[str, Any] = {
        f"model.x.{name.partition('.')[2]}": {"resource_type": "model", "fqn": ["x", *name.split(".")],
                                              "depends_on": {"nodes": reads}}
        for name, reads in made.items()}  # fmt: skip
    nodes["seed.x.holidays"] = {"resource_type": "seed", "depends_on": {}}
    nodes["test.x.one"] = {"resource_type": "test", "depends_on": {"nodes": ["model.x.stg_a"]}}
    with NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"sources": {"source.x.silver.a": {}}, "nodes": nodes}, file)
        file.flush()
        return charts.lineage(file.name, alt=alt)


def feeds(*leads: tuple[float, float], alt: str = "Feeds") -> Picture:
    """By hour, the lead by the log and by the files."""
    known = leads or ((8, 8), (-64, 8), (-64, -64))
    hours = pd.date_range("2023-07-08 23:00", periods=len(known), freq="h", tz="UTC")
    frame = pd.DataFrame(known, columns=["log", "files"]).assign(at=hours)
    return charts.feeds(frame, stores=(5, 2), alt=alt)


SENT = [(7, "0/A", "Begin", ""), (7, "0/B0", "Update", "44"), (7, "0/D0", "Commit", ""), (6, "0/A0", "Update", "43"),
        (6, "1/0", "Update", "45"), (6, "1/10", "Commit", "")]  # fmt: skip


def sent(*rows: tuple[int, str, str, str], alt: str = "Sent") -> Picture:
    """As a slot sends them: transaction, position, kind and label."""
    frame = pd.DataFrame(rows or SENT, columns=["xid", "lsn", "kind", "label"])
    return charts.sent(frame, alt=alt)


KILLS = [("before", 100, 100, 140, 0), ("killed", 100, 140, 150, 1)]


def positions(*rows: tuple[str, int, int, int, int], alt: str = "Positions") -> Picture:
    columns = ["moment", "slot", "watermark", "log_end", "rows"]
    return charts.positions(pd.DataFrame(rows or KILLS, columns=columns), alt=alt)


def gap(*late: float, alt: str = "A gap") -> Picture:
    """Changes of one second, and by how many seconds each is late."""
    made = pd.Timestamp("2023-07-01", tz=UTC)
    known = [made + pd.Timedelta(seconds=each) for each in late or (2, 2)]
    frame = pd.DataFrame({"change": [f"change {n}" for n, _ in enumerate(known)], "committed": made, "known": known})
    return charts.gap(frame, alt=alt)


KEPT = [("log", "a@x", "2023-01-01", "2023-07-02 10:22"), ("log", "b@x", "2023-07-02 10:22", "2023-07-02 15:11"),
        ("log", "c@x", "2023-07-02 15:11", ""), ("files", "a@x", "2023-01-01", "2023-07-03"),
        ("files", "c@x", "2023-07-03", "")]  # fmt: skip


def kept(*rows: tuple[str, str, str, str], alt: str = "Kept") -> Picture:
    feeds, emails, start, end = zip(*(rows or KEPT), strict=True)
    starts = [pd.Timestamp(each, tz=UTC) for each in start]
    ends = [pd.Timestamp(each, tz=UTC) if each else datetime.max.replace(tzinfo=UTC) for each in end]
    frame = pd.DataFrame({"feed": feeds, "email": emails, "sys_start": starts, "sys_end": ends})
    return charts.kept(frame, alt=alt)


FIGURES = [june, waterfall, lead, moved, three_marts, versions, months, movers, calendar, layers,
           feeds, kept, costs, segments, cohorts, churn, lineage, forms, commits, sent, positions, gap]  # fmt: skip


def texts(picture: Picture) -> list[str]:
    root = ET.fromstring(picture.svg)
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
