"""Gold: the three marts."""

from datetime import date
from decimal import Decimal

from sqlalchemy.orm import Mapped

from medallion_lib.models.base import Big, Mart, Price


class VwMonthlyRevenue(Mart):
    """Revenue by store and month of payment."""

    store_id: Mapped[int | None]
    revenue_month: Mapped[date]
    total_revenue: Mapped[Decimal | None]
    total_transactions: Mapped[Big]
    avg_transaction_amount: Mapped[Decimal | None]
    unique_customers: Mapped[Big]


class VwTopTitles(Mart):
    """Rentals and revenue by film and month of rental."""

    film_id: Mapped[int | None]
    title: Mapped[str | None]
    rating: Mapped[str | None]
    rental_rate: Mapped[Price | None]
    rental_month: Mapped[date | None]
    total_rentals: Mapped[Big]
    total_revenue: Mapped[Decimal]
    avg_rental_revenue: Mapped[Decimal | None]
    avg_days_out: Mapped[Decimal | None]
    currently_rented: Mapped[Big]
    utilization_rate: Mapped[Decimal | None]


class VwStoreScorecard(Mart):
    """How each store did, day by day."""

    store_id: Mapped[int | None]
    business_date: Mapped[date]
    daily_revenue: Mapped[Decimal]
    total_rentals: Mapped[Big]
    active_customers: Mapped[Big]
    unique_titles_rented: Mapped[Big]
    completed_rentals: Mapped[Big]
    late_returns: Mapped[Big]
    late_return_pct: Mapped[Decimal | None]
    avg_rental_rate: Mapped[Decimal | None]
