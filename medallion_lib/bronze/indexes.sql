-- What a bronze table is searched by.
ALTER TABLE {table} ADD PRIMARY KEY (lsn, seq);
CREATE INDEX ON {table} (lsn, seq) WHERE op = 'T';
{lookup}
