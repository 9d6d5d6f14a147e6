-- What orders a bronze table. A snapshot's rows come in this order, so that nothing is left to workers.
SELECT set_config('max_parallel_maintenance_workers', '0', true);
ALTER TABLE {table} ADD PRIMARY KEY (lsn, seq)
