-- The slot, in bytes of WAL: what it has yet to hand over, and what the server keeps for it. Counted to
-- the server's flush position, so WAL of other databases counts too.
-- Source: pg_replication_slots (PostgreSQL 18, 53.20).
WITH fact AS (
    SELECT coalesce(slot.wal_status || CASE WHEN slot.active THEN ', being read' ELSE '' END, 'missing')
               AS slot_state,
           CASE WHEN slot_name IS NOT NULL  -- greatest() makes 0 of null
                THEN greatest(pg_current_wal_flush_lsn() - slot.confirmed_flush_lsn, 0)::bigint
           END AS wal_bytes_not_captured,
           CASE WHEN slot_name IS NOT NULL
                THEN greatest(pg_current_wal_flush_lsn() - slot.restart_lsn, 0)::bigint
           END AS wal_bytes_retained,
           nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), -1) AS wal_bytes_limit
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_replication_slots AS slot
           ON slot.slot_name = %(slot)s AND slot.database = current_database()
)
SELECT row_to_json(fact) FROM fact
