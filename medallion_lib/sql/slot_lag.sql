-- Bytes of WAL the slot has yet to hand over, null without a slot. Counts to the server's flush
-- position, so WAL of other databases counts too.
SELECT CASE WHEN count(*) > 0
            THEN greatest(pg_current_wal_flush_lsn() - max(confirmed_flush_lsn), 0)::bigint END AS lag
FROM pg_replication_slots
WHERE slot_name = %(slot)s AND database = current_database()
