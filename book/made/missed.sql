-- By table, the versions that began and ended between two of the year's 365 midnights.
WITH version AS (
    SELECT 1 AS place, 'customers' AS name, sys_start, sys_end FROM silver.dim_customer_hist
    UNION ALL SELECT 2, 'films', sys_start, sys_end FROM silver.dim_film_hist
    UNION ALL SELECT 3, 'rentals', sys_start, sys_end FROM silver.fact_rental
    UNION ALL SELECT 4, 'payments', sys_start, sys_end FROM silver.fact_payment
),
night AS (
    SELECT *, greatest('2023-01-02', date_bin('1 day', sys_start + interval '1 day - 1 microsecond', '2023-01-01')) AS first
    FROM version
)
SELECT name, count(*) AS versions, count(*) FILTER (WHERE first >= sys_end) AS missed
FROM night
GROUP BY place, name
ORDER BY place
