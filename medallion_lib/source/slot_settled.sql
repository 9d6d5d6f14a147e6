-- Whether the slot has taken in what capture confirmed, which is a byte less than the watermark, and
-- whether nobody reads it any more.
SELECT confirmed_flush_lsn >= '0/0'::pg_lsn + %(lsn)s - 1 AS is_confirmed, NOT active AS is_free
FROM pg_replication_slots
WHERE slot_name = %(slot)s
