CREATE INDEX ON {doomed} (lsn, seq);
ANALYZE {doomed};
SELECT count(*) FROM {doomed}
