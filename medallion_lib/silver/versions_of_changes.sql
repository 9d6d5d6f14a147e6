-- From changes to versions: parts of a query that name no table. They read `landed`, the changes as
-- bronze has them, and `before`, the rows that are current before these: key, row_hash, row_before.
-- They end in `new_row`, the versions; one without row_hash says that there is no row of the key.
truncation AS (
    SELECT lsn, seq, commit_ts
    FROM landed
    WHERE op = 'T'
),
row_event AS (
    SELECT {key_values}, lsn, seq, commit_ts,
           CASE WHEN op <> 'D' THEN {row} END AS full_row,
           op = 'D' OR ({is_complete} AND {is_exact}) AS is_fit
    FROM landed
    WHERE op <> 'T'
),
event AS (
    SELECT {row_keys}, lsn, seq, commit_ts, full_row
    FROM row_event
    UNION ALL
    -- A TRUNCATE deletes every key there was. An array, or the planner would expect all those keys
    -- in every batch, and read all current rows for it. Of rows, for a key may be an array itself.
    SELECT known.*, truncation.lsn, truncation.seq, truncation.commit_ts, NULL
    FROM truncation
    CROSS JOIN LATERAL unnest(ARRAY(
        SELECT ROW({row_keys})
        FROM (
            SELECT {row_keys} FROM before
            UNION
            SELECT {row_keys} FROM row_event WHERE (lsn, seq) < (truncation.lsn, truncation.seq)
        ) AS earlier
    )) AS known ({key_types})
),
-- One transaction, one instant: a key's last event in it counts.
final_event AS (
    SELECT DISTINCT ON ({row_keys}, commit_ts) {row_keys}, commit_ts, full_row,
           CASE WHEN full_row IS NOT NULL THEN
               meta.row_hash({texts}) END AS row_hash
    FROM event
    ORDER BY {row_keys}, commit_ts, lsn DESC, seq DESC
),
-- What leaves the row as it was, by the columns that silver has of it, opens no version.
change AS (
    SELECT {row_keys}, commit_ts, full_row, final_event.row_hash, row_before,
           lag(final_event.row_hash, 1, before.row_hash) OVER by_time AS hash_before
    FROM final_event
    LEFT JOIN before USING ({row_keys})
    WINDOW by_time AS (PARTITION BY {row_keys} ORDER BY commit_ts)
),
-- The planner estimates is_newest better than sys_end = 'infinity'.
version AS (
    SELECT {row_keys}, full_row, row_hash, row_before,
           commit_ts AS sys_start,
           lead(commit_ts, 1, 'infinity') OVER by_time AS sys_end,
           lead(commit_ts) OVER by_time IS NULL AS is_newest,
           first_value(commit_ts) OVER by_time AS first_change
    FROM change
    WHERE row_hash IS DISTINCT FROM hash_before
    WINDOW by_time AS (PARTITION BY {row_keys} ORDER BY commit_ts)
),
new_row AS (
    SELECT {values}, row_hash, sys_start, sys_end, is_newest AS {is_newest}, first_change AS {first_change}, row_before AS {row_before}
    FROM version
    {lookup}
)
