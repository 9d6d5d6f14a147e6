-- Where the slot stands in the source's write-ahead log, and what has befallen it.
SELECT confirmed_flush_lsn - '0/0' AS confirmed,
       coalesce(invalidation_reason, nullif(wal_status, 'reserved')) AS trouble,
       greatest(pg_current_wal_flush_lsn() - confirmed_flush_lsn, 0)::bigint AS lag
FROM pg_replication_slots
WHERE slot_name = %s AND database = current_database()
