-- What a person would know of a source before it is watched. Behind a pooler, this backend's number is
-- not the one that the client was told.
SELECT current_setting('server_version') AS version, current_user AS role, current_database() AS database,
       current_setting('wal_level') AS wal_level,
       current_setting('max_replication_slots')::integer AS slots,
       current_setting('max_replication_slots')::integer - (SELECT count(*) FROM pg_replication_slots) AS free_slots,
       current_setting('max_slot_wal_keep_size', true) AS kept_wal,
       pg_backend_pid() AS backend
