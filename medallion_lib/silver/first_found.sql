-- Where the history is empty and the batch is a snapshot's rows alone: its position, which is that of no
-- commit, its time, its events, and how many of those are rows. A table's rows are numbered without gaps.
WITH event AS NOT MATERIALIZED (
    SELECT lsn, seq, op, commit_ts FROM {bronze} WHERE lsn >= %(since)s AND lsn < %(upto)s
),
earliest AS (SELECT * FROM event ORDER BY lsn, seq LIMIT 1),
latest AS (SELECT * FROM event ORDER BY lsn DESC, seq DESC LIMIT 1),
row AS (
    SELECT latest.seq + 1 - (
        SELECT seq FROM event WHERE lsn = latest.lsn AND op = 'R' ORDER BY seq LIMIT 1) AS count
    FROM latest
)
SELECT lsn, commit_ts, row.count + (earliest.op = 'T')::integer, row.count
FROM earliest
JOIN latest USING (lsn, commit_ts)
CROSS JOIN row
WHERE latest.op = 'R' AND NOT EXISTS (SELECT FROM {silver})
