-- Every change to a June payment after June, in the order of commits.
WITH june AS (
    SELECT store_id, amount, sys_start, sys_end,
           lag(amount) OVER versions AS old_amount,
           lead(sys_start) OVER versions AS next_start
    FROM fact_payment
    WHERE payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
    WINDOW versions AS (PARTITION BY payment_id ORDER BY sys_start)
),
changed AS (
    SELECT sys_start AS instant,
           CASE WHEN old_amount IS NULL THEN 'late posting' ELSE 'correction' END AS kind,
           store_id,
           amount - coalesce(old_amount, 0) AS difference
    FROM june
    UNION ALL
    SELECT sys_end, 'void', store_id, -amount
    FROM june
    WHERE sys_end < 'infinity' AND next_start IS DISTINCT FROM sys_end
)
SELECT instant, kind, store_id, difference
FROM changed
WHERE instant >= '2023-07-01'
ORDER BY instant
