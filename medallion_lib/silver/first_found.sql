-- Where the history is empty and the batch is a snapshot's rows alone: its position, which is that of no
-- commit, its time, its events, and how many of those are rows.
WITH begun AS (
    SELECT lsn FROM {bronze} WHERE lsn >= %(since)s AND lsn < %(upto)s ORDER BY lsn, seq LIMIT 1
)
SELECT lsn, min(commit_ts), count(*), count(*) FILTER (WHERE op = 'R')
FROM {bronze} AS event JOIN begun USING (lsn)
WHERE NOT EXISTS (SELECT FROM {silver})
  AND NOT EXISTS (SELECT FROM {bronze} AS later WHERE later.lsn > (SELECT lsn FROM begun) AND later.lsn < %(upto)s)
GROUP BY lsn
HAVING bool_or(op = 'R') AND min(commit_ts) = max(commit_ts)
