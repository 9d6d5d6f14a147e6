-- One row as of an instant. Silver says whether it was there, bronze has it as the source printed it:
-- no event within a version alters what silver tracks. What came
-- right before a snapshot, or before the table's first, is not known.
WITH version AS (
    SELECT *
    FROM {silver}
    WHERE {is_asked} AND sys_start <= %(at)s AND sys_end > %(at)s
),
later AS (
    {later}
)
SELECT (SELECT count(*) FROM version) AS was_there,
       (SELECT event.full_row::text
        FROM {bronze} AS event
        JOIN version ON {is_same}
        WHERE event.op NOT IN ('D', 'T') AND event.commit_ts >= version.sys_start AND event.commit_ts <= %(at)s
        ORDER BY event.lsn DESC, event.seq DESC
        LIMIT 1) AS full_row,
       coalesce((SELECT op = 'R' FROM later ORDER BY lsn, op <> 'R' LIMIT 1)
                OR (SELECT commit_ts > %(at)s AND op IN ('R', 'T') FROM {bronze} ORDER BY lsn, seq LIMIT 1),
                false) AS in_gap
