-- The changes of one key, with the truncations between them; how many there are, and of how many keys.
CREATE TEMP TABLE erased_event ON COMMIT DROP AS
SELECT lsn, seq, op, commit_ts, full_row, {key} AS key
FROM {bronze}
WHERE op = 'T' OR {is_its};
SELECT count(*) FILTER (WHERE op <> 'T'), count(DISTINCT key) FILTER (WHERE op <> 'T') FROM erased_event
