-- Bytes of WAL the slot has yet to hand over. Counts to the server's flush
-- position, so WAL of other databases counts too.
SELECT greatest(pg_current_wal_flush_lsn() - max(confirmed_flush_lsn), 0)::bigint AS lag
FROM pg_replication_slots
WHERE slot_name = %(slot)s AND database = current_database()
