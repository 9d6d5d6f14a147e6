-- Let a bronze table's rows be found by their key.
-- The texts of a million keys are sorted in memory; a merge may want the other processors meanwhile.
SELECT set_config('max_parallel_maintenance_workers', '0', true);
SELECT set_config('maintenance_work_mem', '256MB', true)
WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB');
{lookups}
