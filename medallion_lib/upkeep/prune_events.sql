-- The changes of rows with a key that go: all by an instant, but the last of each row that was there
-- then, and what began its version.
CREATE TEMP TABLE {doomed} AS
WITH last AS (
    SELECT DISTINCT ON ({key}) lsn, seq, op
    FROM {bronze}
    WHERE commit_ts <= %(before)s AND op <> 'T'
    ORDER BY {key}, lsn DESC, seq DESC
),
emptied AS (
    SELECT lsn, seq FROM {bronze} WHERE commit_ts <= %(before)s AND op = 'T'
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
),
kept AS (
    SELECT lsn, seq
    FROM last
    WHERE op <> 'D' AND NOT EXISTS (SELECT FROM emptied WHERE (emptied.lsn, emptied.seq) > (last.lsn, last.seq))
    {begun}
)
SELECT lsn, seq
FROM {bronze}
WHERE commit_ts <= %(before)s AND (lsn, seq) NOT IN (SELECT lsn, seq FROM kept)
