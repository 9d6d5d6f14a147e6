-- Gold: three marts over the current state of silver. Each fact is aggregated before it is joined:
-- a rental may have several payments, and joining first would count it once for each of them.

CREATE VIEW gold.vw_monthly_revenue AS
SELECT store_id,
       date_trunc('month', payment_date AT TIME ZONE 'UTC')::date AS revenue_month,
       sum(amount) AS total_revenue,
       count(*) AS total_transactions,
       round(sum(amount) / count(*), 2) AS avg_transaction_amount,
       count(DISTINCT customer_id) AS unique_customers
FROM silver.fact_payment_current
GROUP BY store_id, revenue_month;
COMMENT ON VIEW gold.vw_monthly_revenue IS 'Revenue by store and month of payment.';
COMMENT ON COLUMN gold.vw_monthly_revenue.store_id IS 'The store of the rental that was paid for.';
COMMENT ON COLUMN gold.vw_monthly_revenue.revenue_month IS 'First day of the month (UTC) the payments are dated.';
COMMENT ON COLUMN gold.vw_monthly_revenue.total_revenue IS 'Sum of the payments, in dollars; refunds subtract.';
COMMENT ON COLUMN gold.vw_monthly_revenue.total_transactions IS 'Number of payments.';
COMMENT ON COLUMN gold.vw_monthly_revenue.avg_transaction_amount IS 'Revenue divided by payments, in dollars.';
COMMENT ON COLUMN gold.vw_monthly_revenue.unique_customers IS 'Number of different customers who paid.';

CREATE VIEW gold.vw_top_titles AS
WITH paid AS (
    SELECT rental_id, sum(amount) AS amount
    FROM silver.fact_payment_current
    GROUP BY rental_id
),
rented AS (
    SELECT rental_id, film_id, inventory_id, return_date,
           CASE WHEN film_id IS NOT NULL
                THEN date_trunc('month', rental_date AT TIME ZONE 'UTC')::date END AS rental_month,
           extract(epoch FROM return_date - rental_date) AS seconds_out
    FROM silver.fact_rental_current
),
title AS (
    SELECT film_id,
           rental_month,
           count(rented.rental_id) AS total_rentals,
           coalesce(sum(amount), 0) AS total_revenue,
           round(sum(seconds_out) / (86400 * nullif(count(return_date), 0)), 2) AS avg_days_out,
           count(rented.rental_id) FILTER (WHERE return_date IS NULL) AS currently_rented,
           count(DISTINCT inventory_id) AS copies
    FROM rented
    FULL JOIN paid ON paid.rental_id = rented.rental_id  -- a payment without its rental counts too
    GROUP BY film_id, rental_month
)
SELECT title.film_id,
       film.title,
       film.rating,
       film.rental_rate,
       title.rental_month,
       title.total_rentals,
       title.total_revenue,
       round(title.total_revenue / nullif(title.total_rentals, 0), 2) AS avg_rental_revenue,
       title.avg_days_out,
       title.currently_rented,
       round(title.total_rentals::numeric / nullif(title.copies, 0), 2) AS utilization_rate
FROM title
LEFT JOIN silver.dim_film AS film ON film.film_id = title.film_id;
COMMENT ON VIEW gold.vw_top_titles IS 'Rentals and revenue by film and month of rental.';
COMMENT ON COLUMN gold.vw_top_titles.film_id IS 'The film; null in the one row for payments and rentals whose film is unknown.';
COMMENT ON COLUMN gold.vw_top_titles.title IS 'Title, as of the same instant; null for a film that is gone.';
COMMENT ON COLUMN gold.vw_top_titles.rating IS 'Motion-picture rating, as of the same instant.';
COMMENT ON COLUMN gold.vw_top_titles.rental_rate IS 'Price of a rental in dollars, as of the same instant.';
COMMENT ON COLUMN gold.vw_top_titles.rental_month IS 'First day of the month (UTC) in which the rentals began.';
COMMENT ON COLUMN gold.vw_top_titles.total_rentals IS 'Number of rentals begun.';
COMMENT ON COLUMN gold.vw_top_titles.total_revenue IS 'All payments for these rentals, whenever paid, in dollars.';
COMMENT ON COLUMN gold.vw_top_titles.avg_rental_revenue IS 'Revenue divided by rentals, in dollars.';
COMMENT ON COLUMN gold.vw_top_titles.avg_days_out IS 'Mean days from rental to return, over rentals already returned.';
COMMENT ON COLUMN gold.vw_top_titles.currently_rented IS 'Number of these rentals not yet returned.';
COMMENT ON COLUMN gold.vw_top_titles.utilization_rate IS 'Rentals begun per different copy rented that month.';

CREATE VIEW gold.vw_store_scorecard AS
WITH paid AS (
    SELECT store_id, (payment_date AT TIME ZONE 'UTC')::date AS business_date,
           sum(amount) AS revenue
    FROM silver.fact_payment_current
    GROUP BY store_id, business_date
),
rental AS (
    SELECT rented.store_id, (rented.rental_date AT TIME ZONE 'UTC')::date AS business_date,
           rented.film_id, rented.return_date, film.rental_rate,
           rented.return_date - rented.rental_date
               > make_interval(days => film.rental_duration) AS is_late
    FROM silver.fact_rental_current AS rented
    LEFT JOIN silver.dim_film AS film ON film.film_id = rented.film_id
),
rented AS (
    SELECT store_id, business_date,
           count(*) AS rentals,
           count(DISTINCT film_id) AS titles,
           count(return_date) AS completed,
           count(*) FILTER (WHERE is_late) AS late,
           round(avg(rental_rate), 2) AS rental_rate
    FROM rental
    GROUP BY store_id, business_date
),
visited AS (
    SELECT store_id, business_date, count(DISTINCT customer_id) AS customers
    FROM (
        SELECT store_id, (payment_date AT TIME ZONE 'UTC')::date AS business_date, customer_id
        FROM silver.fact_payment_current
        UNION ALL
        SELECT store_id, (rental_date AT TIME ZONE 'UTC')::date, customer_id
        FROM silver.fact_rental_current
    ) AS visit
    GROUP BY store_id, business_date
)
SELECT visited.store_id,
       visited.business_date,
       coalesce(paid.revenue, 0) AS daily_revenue,
       coalesce(rented.rentals, 0) AS total_rentals,
       visited.customers AS active_customers,
       coalesce(rented.titles, 0) AS unique_titles_rented,
       coalesce(rented.completed, 0) AS completed_rentals,
       coalesce(rented.late, 0) AS late_returns,
       round(100.0 * rented.late / nullif(rented.completed, 0), 2) AS late_return_pct,
       rented.rental_rate AS avg_rental_rate
FROM visited
LEFT JOIN paid ON paid.store_id IS NOT DISTINCT FROM visited.store_id
              AND paid.business_date = visited.business_date
LEFT JOIN rented ON rented.store_id IS NOT DISTINCT FROM visited.store_id
                AND rented.business_date = visited.business_date;
COMMENT ON VIEW gold.vw_store_scorecard IS 'How each store did, day by day.';
COMMENT ON COLUMN gold.vw_store_scorecard.store_id IS 'The store.';
COMMENT ON COLUMN gold.vw_store_scorecard.business_date IS 'The day (UTC).';
COMMENT ON COLUMN gold.vw_store_scorecard.daily_revenue IS 'Payments dated that day, in dollars.';
COMMENT ON COLUMN gold.vw_store_scorecard.total_rentals IS 'Rentals begun that day.';
COMMENT ON COLUMN gold.vw_store_scorecard.active_customers IS 'Different customers who rented or paid that day.';
COMMENT ON COLUMN gold.vw_store_scorecard.unique_titles_rented IS 'Different films rented that day.';
COMMENT ON COLUMN gold.vw_store_scorecard.completed_rentals IS 'Of the rentals begun that day, those returned since.';
COMMENT ON COLUMN gold.vw_store_scorecard.late_returns IS 'Of the rentals begun that day, those returned after the film''s rental duration.';
COMMENT ON COLUMN gold.vw_store_scorecard.late_return_pct IS 'Late returns in percent of completed rentals; null before the first return.';
COMMENT ON COLUMN gold.vw_store_scorecard.avg_rental_rate IS 'Mean price of the films rented that day, each rental counted once, as of the same instant.';
