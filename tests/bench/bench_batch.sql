-- The next 10,000 changes of one table, each of another key: of 20, 16 update, 3 insert, 1 deletes.
WITH change AS (
    SELECT n::bigint AS lsn,
           CASE WHEN n %% 20 < 16 THEN 'U' WHEN n %% 20 < 19 THEN 'I' ELSE 'D' END AS op,
           CASE WHEN n %% 20 BETWEEN 16 AND 18 THEN n ELSE 1 + n * 7919::bigint %% 500000 END AS id
    FROM generate_series(%(after)s + 1, %(after)s + 10000) AS n
),
customer AS (
    INSERT INTO bronze.br_customer_cdc (lsn, seq, op, full_row, commit_ts)
    SELECT lsn, 1, op, bench.customer(id, lsn), bench.commit_ts(lsn)
    FROM change
    WHERE %(table)s = 'customer'
)
INSERT INTO bronze.br_payment_cdc (lsn, seq, op, full_row, commit_ts)
SELECT lsn, 1, op, bench.payment(id, lsn), bench.commit_ts(lsn)
FROM change
WHERE %(table)s = 'payment'
