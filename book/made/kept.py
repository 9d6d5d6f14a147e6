"""What keeping every change and every version of the year takes, against the source itself."""

from pathlib import Path

from medallion_lib import Medallion

MB = 1_000_000  # the book's unit, as the page says
SOURCE, WAREHOUSE = (
    Path(__file__).with_name(f"kept_{name}.sql").read_text(encoding="utf-8")
    for name in ("source", "warehouse")
)


def page(lab: Medallion, _copy: Path) -> str:
    with lab.source.connect() as source:
        held = source.exec_driver_sql(SOURCE).one()
    with lab.warehouse.connect() as warehouse:
        changes, versions = warehouse.exec_driver_sql(WAREHOUSE).all()
    lines = (
        ("the source's five tables, as they are now", f"{held.rows:,} rows", held.bytes),
        ("bronze: every change of them", f"{changes.rows:,} changes", changes.bytes),
        ("silver: every version", f"{versions.rows:,}, of which {versions.current:,} are current",
         versions.bytes),
    )  # fmt: skip
    told = "".join(f"| {what} | {rows} | {size / MB:.1f} MB |\n" for what, rows, size in lines)
    return f"| what the year leaves | rows | with indexes |\n|---|---|--:|\n{told}"
