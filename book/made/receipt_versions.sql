-- Every version of each June payment that was posted after June, changed or voided, in the order in
-- which that happened. A customer has the name of the day on which the payment was posted.
WITH june AS (
    SELECT store_id, payment_id, customer_id, payment_date, amount, sys_start, sys_end,
           min(sys_start) OVER versions AS posted,
           max(sys_start) OVER versions AS last_start,
           max(sys_end) OVER versions AS gone
    FROM fact_payment
    WHERE payment_date >= '2023-06-01' AND payment_date < '2023-07-01'
    WINDOW versions AS (PARTITION BY store_id, payment_id)
)
SELECT june.store_id, payment_id, payment_date, first_name || ' ' || last_name AS customer, amount,
       june.sys_start, june.sys_end
FROM june
LEFT JOIN LATERAL (
    SELECT first_name, last_name
    FROM dim_customer FOR SYSTEM_TIME AS OF june.posted AS customer
    WHERE customer.customer_id = june.customer_id
) AS customer ON true
WHERE posted >= '2023-07-01' OR last_start > posted OR gone < 'infinity'
ORDER BY coalesce(nullif(gone, 'infinity'), last_start), june.store_id, payment_id, june.sys_start
