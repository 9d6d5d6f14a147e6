-- How many payments make up a store's June as of each instant, and how much, of those that are the
-- same then, in the board pack and now. All others are listed one by one.
WITH known AS (
    SELECT instant, store_id, payment_id, amount
    FROM unnest(%s) AS instant, fact_payment_current FOR SYSTEM_TIME AS OF instant AS payment
    WHERE payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
),
pack AS (
    SELECT store_id, payment_id, amount
    FROM fact_payment_current FOR SYSTEM_TIME AS OF '2023-07-01'
    WHERE payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
),
today AS (
    SELECT store_id, payment_id, amount
    FROM fact_payment_current
    WHERE payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
)
SELECT instant, store_id, count(*), sum(amount)
FROM known
JOIN pack USING (store_id, payment_id, amount)
JOIN today USING (store_id, payment_id, amount)
GROUP BY instant, store_id
