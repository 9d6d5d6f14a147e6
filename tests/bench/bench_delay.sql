-- One commit's changes: half of them payments, the others customers' new e-mail addresses. Where
-- it is marked, one more payment, the only one of its month: 2024-01.
WITH emailed AS (
    UPDATE customer SET email = 'someone.' || %(number)s || '@example.org'
    WHERE customer_id IN (SELECT 1 + (%(number)s * %(half)s + n) %% 599
                          FROM generate_series(1, %(half)s) AS n)
)
INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
SELECT customer_id, staff_id, rental_id, 0.99 + n %% 5,
       CASE WHEN n = 0 THEN '2024-01-15 UTC'::timestamptz
            ELSE '2023-12-01 UTC'::timestamptz + %(number)s %% 40000 * interval '1 minute' END
FROM generate_series(CASE WHEN %(is_marked)s THEN 0 ELSE 1 END, %(half)s) AS n
JOIN rental ON rental_id = CASE WHEN n = 0 THEN %(marked)s
                                ELSE 1 + (%(number)s * %(half)s + n) %% 15000 END
