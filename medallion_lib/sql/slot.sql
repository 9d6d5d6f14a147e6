-- The source, and where the slot stands in its write-ahead log.
SELECT control.system_identifier AS system,
       current_database() AS name,
       EXISTS (SELECT FROM pg_publication WHERE pubname = %(publication)s) AS is_published,
       slot.confirmed_flush_lsn - '0/0' AS confirmed,
       slot.wal_status = 'lost' OR slot.invalidation_reason IS NOT NULL AS is_invalid,
       coalesce(slot.invalidation_reason, slot.wal_status) AS state,
       greatest(pg_current_wal_flush_lsn() - slot.confirmed_flush_lsn, 0)::bigint AS lag
FROM pg_control_system() AS control
LEFT JOIN pg_replication_slots AS slot
       ON slot.slot_name = %(slot)s AND slot.database = current_database()
