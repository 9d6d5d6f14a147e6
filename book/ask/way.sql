-- One change's way, in the page. Each part is a step; of {braces}, what the steps before it found.

-- step: ready
RESET ROLE;
CREATE EXTENSION IF NOT EXISTS pg_walinspect WITH SCHEMA meta;
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.payment (
    payment_id    integer,
    customer_id   integer NOT NULL,
    staff_id      integer NOT NULL,
    rental_id     integer NOT NULL,
    amount        numeric(5, 2) NOT NULL,
    payment_date  timestamptz NOT NULL,
    PRIMARY KEY (payment_date, payment_id)
);
ALTER TABLE shop.payment REPLICA IDENTITY FULL;
INSERT INTO shop.payment
SELECT payment_id, customer_id, staff_id, rental_id, amount, payment_date
FROM silver.fact_payment_current
WHERE payment_id = 6735
ON CONFLICT DO NOTHING;
SELECT pg_current_wal_insert_lsn() AS log_ends

-- step: columns
SELECT attname AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = 'shop.payment'::regclass AND attnum > 0
ORDER BY attnum

-- step: update
UPDATE shop.payment
SET amount = amount + 1
WHERE payment_id = 6735

-- step: record
SELECT change.record_type, change.block_data AS new_row, record.start_lsn AS commit_lsn,
       split_part(record.description, ';', 1)::timestamptz AS commit_ts
FROM pg_get_wal_block_info('{log_ends}', pg_current_wal_flush_lsn()) AS change
JOIN pg_get_wal_records_info('{log_ends}', pg_current_wal_flush_lsn()) AS record USING (xid)
WHERE change.relfilenode = pg_relation_filenode('shop.payment')
  AND change.resource_manager = 'Heap' AND change.block_id = 0 AND record.record_type = 'COMMIT'

-- step: bronze
INSERT INTO bronze.br_payment_cdc (lsn, seq, op, full_row, commit_ts)
VALUES ('{commit_lsn}'::pg_lsn - '0/0', 1, 'U', '{full_row}', '{commit_ts}')
RETURNING lsn, seq, op, full_row, commit_ts

-- step: versions
SELECT amount, sys_start, sys_end
FROM fact_payment FOR SYSTEM_TIME ALL
WHERE payment_id = 6735
ORDER BY sys_start DESC
LIMIT 2

-- step: mart
SELECT store_id, revenue_month, old.total_revenue AS before, new.total_revenue AS now
FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF timestamptz '{commit_ts}' - interval '1 microsecond' AS old
JOIN vw_monthly_revenue AS new USING (store_id, revenue_month)
WHERE old.total_revenue <> new.total_revenue
