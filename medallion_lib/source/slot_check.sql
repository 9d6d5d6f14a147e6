-- Why the slot does not continue exactly where bronze ends, as in refusals.txt, or null; and what that
-- text tells of.
-- Source: pg_replication_slots (PostgreSQL 18, 53.20); before 17 without invalidation_reason.
SELECT CASE
           WHEN control.system_identifier <> %(source_system)s
             OR current_database() <> %(source_name)s THEN 'another source'
           WHEN pg_current_wal_flush_lsn() < '0/0'::pg_lsn + %(lsn)s THEN 'source went back'
           WHEN slot.confirmed_flush_lsn IS NULL THEN 'no slot'
           WHEN slot.wal_status = 'lost' OR why.invalid IS NOT NULL
               THEN 'slot invalid'
           WHEN slot.confirmed_flush_lsn > '0/0'::pg_lsn + %(lsn)s THEN 'slot not ours'
       END AS problem,
       json_build_object(
           'found', current_database(),
           'reason', coalesce(why.invalid, slot.wal_status),
           'position', '0/0'::pg_lsn + %(lsn)s,
           'log_end', pg_current_wal_flush_lsn()) AS found
FROM pg_control_system() AS control
LEFT JOIN pg_replication_slots AS slot
       ON slot.slot_name = %(slot)s AND slot.database = current_database()
CROSS JOIN LATERAL (SELECT to_jsonb(slot) ->> 'invalidation_reason') AS why (invalid)
