-- The changes of rows without a key that go: all by an instant, but as many of each row as it was there
-- then. Fewer than none is a row that bronze never had so; that stays known, too.
CREATE TEMP TABLE {doomed} AS
WITH emptied AS (
    SELECT lsn, seq FROM {bronze} WHERE commit_ts <= %(before)s AND op = 'T'
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
),
event AS (
    SELECT lsn, seq, op = 'D' AS went, full_row::text AS row
    FROM {bronze} AS event
    WHERE commit_ts <= %(before)s AND op <> 'T'
      AND NOT EXISTS (SELECT FROM emptied WHERE (emptied.lsn, emptied.seq) > (event.lsn, event.seq))
),
numbered AS (
    SELECT lsn, seq,
           row_number() OVER (PARTITION BY row, went ORDER BY lsn DESC, seq DESC) AS number,
           CASE WHEN went THEN -1 ELSE 1 END
               * sum(CASE WHEN went THEN -1 ELSE 1 END) OVER (PARTITION BY row) AS left_over
    FROM event
)
SELECT lsn, seq
FROM {bronze}
WHERE commit_ts <= %(before)s AND (lsn, seq) NOT IN (SELECT lsn, seq FROM numbered WHERE number <= left_over)
