-- The events of the log that made these payments' versions, the position as PostgreSQL writes it.
SELECT (full_row ->> 'payment_id')::int AS payment_id,
       op, '0/0'::pg_lsn + lsn AS lsn, seq, commit_ts
FROM br_payment_cdc
WHERE (full_row ->> 'payment_id')::int = ANY (%s)
ORDER BY br_payment_cdc.lsn, seq
