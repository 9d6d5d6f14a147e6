"""Typed SQLAlchemy models of the warehouse's tables and views, for select(), types and completion.

    from medallion_lib.models import DimCustomerHist
    session.scalars(select(DimCustomerHist).where(DimCustomerHist.customer_id == 42))

The SQL is the one source of truth: tests/gold/test_models.py compares each model with the database.
A further part's tables are a module here, imported by who wants them and named in that test.
"""

from medallion_lib.models.base import FOREVER, Base, as_of
from medallion_lib.models.bronze import (
    BrCustomerCdc,
    BrFilmCdc,
    BrInventoryCdc,
    BrPaymentCdc,
    BrRentalCdc,
)
from medallion_lib.models.gold import VwMonthlyRevenue, VwStoreScorecard, VwTopTitles
from medallion_lib.models.meta import Watermark
from medallion_lib.models.silver import (
    DimCustomer,
    DimCustomerHist,
    DimDate,
    DimFilm,
    DimFilmHist,
    DimStore,
    FactPayment,
    FactPaymentCurrent,
    FactRental,
    FactRentalCurrent,
)

# fmt: off
__all__ = [
    "FOREVER", "Base", "BrCustomerCdc", "BrFilmCdc", "BrInventoryCdc", "BrPaymentCdc",
    "BrRentalCdc", "DimCustomer", "DimCustomerHist", "DimDate", "DimFilm", "DimFilmHist",
    "DimStore", "FactPayment", "FactPaymentCurrent", "FactRental", "FactRentalCurrent",
    "VwMonthlyRevenue", "VwStoreScorecard", "VwTopTitles", "Watermark", "as_of",
]
