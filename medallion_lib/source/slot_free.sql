-- End whoever reads the slot. Whether it has all the log that it needs, for us to read on.
SELECT pg_terminate_backend(active_pid, 5000)
FROM pg_replication_slots
WHERE slot_name = %(slot)s AND database = current_database() AND active;
SELECT plugin = 'pgoutput' AND NOT two_phase AND NOT active AND wal_status IN ('reserved', 'extended')
FROM pg_replication_slots
WHERE slot_name = %(slot)s AND database = current_database()
