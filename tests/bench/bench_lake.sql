-- {events} changes as capture would have landed them, each a transaction of its own: a third rent,
-- a third return, a third pay. What they look up is there before.
INSERT INTO bronze.br_inventory_cdc (lsn, seq, op, full_row, commit_ts)
SELECT 1, n, 'I',
       jsonb_build_object('inventory_id', n, 'film_id', 1 + n % 1000, 'store_id', 1 + n % 7),
       '2023-01-01 UTC'
FROM generate_series(1, 4000) AS n;
INSERT INTO bronze.br_rental_cdc (lsn, seq, op, full_row, commit_ts)
SELECT 10 + 3 * n + step, 1, CASE step WHEN 0 THEN 'I' ELSE 'U' END,
       jsonb_build_object(
           'rental_id', n, 'inventory_id', 1 + n % 4000, 'customer_id', 1 + n % 600, 'staff_id', 1 + n % 14,
           'rental_date', '2023-01-01 UTC'::timestamptz + n % 360 * interval '1 day',
           'return_date', CASE step WHEN 1 THEN '2023-01-05 UTC'::timestamptz + n % 360 * interval '1 day' END,
           'last_update', '2023-01-01 UTC'::timestamptz),
       '2023-01-01 UTC'::timestamptz + (3 * n + step) * interval '1 second'
FROM generate_series(1, {events} / 3) AS n, generate_series(0, 1) AS step;
INSERT INTO bronze.br_payment_cdc (lsn, seq, op, full_row, commit_ts)
SELECT 12 + 3 * n, 1, 'I',
       jsonb_build_object(
           'payment_id', n, 'rental_id', n, 'customer_id', 1 + n % 600, 'staff_id', 1 + n % 14,
           'amount', n % 1000 * 0.01, 'payment_date', '2023-01-01 UTC'::timestamptz + n % 360 * interval '1 day'),
       '2023-01-01 UTC'::timestamptz + (3 * n + 2) * interval '1 second'
FROM generate_series(1, {events} / 3) AS n;
ANALYZE;
UPDATE meta.watermark
SET lsn = {events} + 100, commit_ts = '2023-01-01 UTC'::timestamptz + ({events} + 100) * interval '1 second'
WHERE stage = 'capture';
