"""What nightly files miss of the year, counted in the versions that came from the log."""

from pathlib import Path

from medallion_lib import Medallion

MISSED, LAG = (
    Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
    for name in ("missed", "missed_lag")
)


def page(lab: Medallion, _copy: Path) -> str:
    with lab.warehouse.connect() as warehouse:
        tables = warehouse.exec_driver_sql(MISSED).all()
        most, mean = warehouse.exec_driver_sql(LAG).one()
    missed = ", ".join(f"{row.missed:,} of {row.versions:,} for {row.name}" for row in tables)
    return (
        f"The nightly files miss these versions of the year: {missed}. At noon, their\n"
        f"payments differ from the log's by ${mean:,.2f} on average, and by up to ${most:,.2f}.\n"
    )
