-- The rows of a first snapshot, as the versions that they begin: one of each key, and none before it.
INSERT INTO {silver} ({columns}, row_hash, sys_start)
SELECT {values}, meta.row_hash({texts}), commit_ts
FROM (
    SELECT {row} AS full_row, commit_ts FROM {bronze} WHERE lsn = %(first)s AND op = 'R' OFFSET 0
) AS read
WHERE {is_complete} AND {is_exact}
