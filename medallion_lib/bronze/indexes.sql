-- What else a bronze table is searched by: what emptied its table.
CREATE INDEX ON {table} (lsn, seq) WHERE op = 'T'
