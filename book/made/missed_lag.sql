-- What payments change between midnight, when the files were made, and noon, over 364 days.
WITH change AS (
    SELECT sys_start AS at, amount FROM silver.fact_payment
    UNION ALL SELECT sys_end, -amount FROM silver.fact_payment WHERE sys_end < 'infinity'
),
lag AS (
    SELECT noon, coalesce(sum(amount), 0) AS amount
    FROM generate_series('2023-01-02 12:00'::timestamptz, '2023-12-31 12:00', '1 day') AS noon
    LEFT JOIN change ON at > noon - interval '12 hours' AND at <= noon
    GROUP BY noon
)
SELECT max(abs(amount)) AS most, avg(abs(amount)) AS mean FROM lag
