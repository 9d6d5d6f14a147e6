-- A table's whole history up to a position, of bronze alone: no row is there before its changes.
WITH landed AS NOT MATERIALIZED (
    SELECT lsn, seq, op, commit_ts, full_row FROM {bronze} WHERE lsn < %(upto)s
),
before AS (
    SELECT {no_keys}, NULL::bigint AS row_hash, {no_row} AS row_before WHERE false
),
{versions}
SELECT {columns}, row_hash, sys_start, sys_end
FROM new_row
WHERE row_hash IS NOT NULL
