-- What a bronze table is searched by.
-- The texts of a million keys are sorted in memory.
SELECT set_config('maintenance_work_mem', '256MB', true)
WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB');
ALTER TABLE {table} ADD PRIMARY KEY (lsn, seq);
CREATE INDEX ON {table} (lsn, seq) WHERE op = 'T';
{lookup}
