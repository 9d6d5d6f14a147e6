-- The payments that one cell of a mart adds up as of an instant, each with the event that made the
-- version which counts, and that event's transaction in the source's log.
SELECT p.payment_id, p.payment_date, p.amount, p.customer_id, p.rental_id, p.sys_start AS true_since,
       event.op, '0/0'::pg_lsn + event.lsn AS lsn, event.seq, event.commit_ts, event.load_ts
FROM fact_payment_current FOR SYSTEM_TIME AS OF %(at)s AS p
LEFT JOIN fact_rental_current FOR SYSTEM_TIME AS OF %(at)s AS r ON r.rental_id = p.rental_id
CROSS JOIN LATERAL (
    SELECT op, lsn, seq, commit_ts, load_ts
    FROM bronze.br_payment_cdc
    WHERE full_row ->> 'payment_id' = p.payment_id::text
      AND (full_row ->> 'payment_date')::timestamptz = p.payment_date
      AND commit_ts = p.sys_start AND op NOT IN ('D', 'T')
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
) AS event
WHERE {cell}
ORDER BY p.payment_date, p.payment_id
