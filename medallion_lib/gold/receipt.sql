-- The rows that one cell of a mart adds up as of an instant, each with the event that made the version
-- which counts, and that event's transaction in the source's log.
WITH counted AS (
    SELECT row.*
    FROM {history} FOR SYSTEM_TIME AS OF %(at)s AS row {joins}
    WHERE {is_counted}
),
-- Read once, for a key by whose text bronze is not searched.
happened AS MATERIALIZED (
    SELECT * FROM {bronze} WHERE commit_ts IN (SELECT sys_start FROM counted)
)
SELECT {columns}, counted.sys_start AS true_since,
       event.op, '0/0'::pg_lsn + event.lsn AS lsn, event.seq, event.commit_ts, event.load_ts
FROM counted
LEFT JOIN LATERAL (
    SELECT op, lsn, seq, commit_ts, load_ts
    FROM {events} AS event
    WHERE {is_of_row} AND commit_ts = counted.sys_start AND op NOT IN ('D', 'T')
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
) AS event ON true
ORDER BY {key}
