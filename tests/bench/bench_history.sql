-- What a bench's events say: change `n`, of a customer or payment as capture would have landed it.
-- Every change is a transaction of its own, one at each position.
CREATE SCHEMA bench;

CREATE FUNCTION bench.commit_ts(lsn bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN '2023-01-01 UTC'::timestamptz + lsn * interval '5 seconds';

CREATE FUNCTION bench.customer(id bigint, n bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
    'customer_id', id, 'store_id', 1 + id % 7,
    'first_name', 'First' || id, 'last_name', 'Last' || id,
    'email', 'someone.' || n || '@example.org', 'address_id', n, 'activebool', true,
    'create_date', '2022-12-31', 'last_update', bench.commit_ts(n)::text, 'active', 1);

CREATE FUNCTION bench.payment(id bigint, n bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
    'payment_id', id, 'customer_id', 1 + id % 600, 'staff_id', 1 + id % 14,
    'rental_id', 1 + id % 100000, 'amount', n % 100000 * 0.01,
    'payment_date', ('2023-01-01 UTC'::timestamptz + id % 365 * interval '1 day')::text);

-- Half a million keys inserted, then each changed once: a million versions. What they only look up
-- lies before the first position that is merged.
INSERT INTO bronze.br_inventory_cdc (lsn, seq, op, full_row, commit_ts)
SELECT -1, n, 'I',
       jsonb_build_object('inventory_id', n, 'film_id', 1 + n % 1000, 'store_id', 1 + n % 7),
       bench.commit_ts(0)
FROM generate_series(1, 4000) AS n;
INSERT INTO bronze.br_rental_cdc (lsn, seq, op, full_row, commit_ts)
SELECT -1, 4000 + n, 'I', jsonb_build_object('rental_id', n, 'inventory_id', 1 + n % 4000),
       bench.commit_ts(0)
FROM generate_series(1, 100000) AS n;
INSERT INTO bronze.br_customer_cdc (lsn, seq, op, full_row, commit_ts)
SELECT n, 1, CASE WHEN n <= 500000 THEN 'I' ELSE 'U' END, bench.customer(1 + n % 500000, n),
       bench.commit_ts(n)
FROM generate_series(1, 1000000) AS n;
INSERT INTO bronze.br_payment_cdc (lsn, seq, op, full_row, commit_ts)
SELECT n, 2, CASE WHEN n <= 500000 THEN 'I' ELSE 'U' END, bench.payment(1 + n % 500000, n),
       bench.commit_ts(n)
FROM generate_series(1, 1000000) AS n;
