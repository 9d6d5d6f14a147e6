-- Bronze to one silver table: the events from one position up to another, which begins the next
-- batch. A commit may begin at the very byte where the one before it ends.
WITH truncation AS (
    SELECT lsn, seq, commit_ts
    FROM {bronze}
    WHERE op = 'T' AND lsn >= %(since)s AND lsn < %(upto)s
),
row_event AS (
    SELECT {key_values}, lsn, seq, commit_ts,
           CASE WHEN op <> 'D' THEN {row} END AS full_row,
           op = 'D' OR ({is_complete} AND {is_exact}) AS is_fit
    FROM {bronze}
    WHERE op <> 'T' AND lsn >= %(since)s AND lsn < %(upto)s
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
            SELECT {silver_keys} FROM {silver} WHERE sys_end = 'infinity'
            UNION
            SELECT {row_keys} FROM row_event WHERE (lsn, seq) < (truncation.lsn, truncation.seq)
        ) AS before
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
    SELECT final_event.*, {row_now} AS row_before,
           lag(final_event.row_hash, 1, now.row_hash) OVER by_time AS hash_before{key_before}
    FROM final_event
    LEFT JOIN {silver} AS now ON {is_now} AND now.sys_end = 'infinity'
    WINDOW by_time AS (PARTITION BY {final_keys} ORDER BY final_event.commit_ts)
),
-- The planner estimates is_newest better than sys_end = 'infinity'.
version AS (
    SELECT {row_keys}, full_row, row_hash, row_before,
           commit_ts AS sys_start,
           lead(commit_ts, 1, 'infinity') OVER by_time AS sys_end,
           lead(commit_ts) OVER by_time IS NULL AS is_newest,
           first_value(commit_ts) OVER by_time AS first_change
    FROM change
    WHERE row_hash IS DISTINCT FROM hash_before{is_respelled}
    WINDOW by_time AS (PARTITION BY {row_keys} ORDER BY commit_ts)
),
new_row AS (
    SELECT {values}, row_hash, sys_start, sys_end, is_newest AS {is_newest}, first_change AS {first_change}, row_before AS {row_before}
    FROM version
    {lookup}
),
-- The current row becomes the newest version in place; what it was is handed on as `old`.
-- The UPDATE of all columns comes first: behind another, 800 columns would be the most to be parsed.
merged AS (
    MERGE INTO {silver} AS hist
    USING (SELECT * FROM new_row WHERE {is_newest}) AS newest
    ON {is_hist} AND hist.sys_end = 'infinity' {in_month}
    WHEN MATCHED AND newest.row_hash IS NOT NULL THEN
        UPDATE SET {assignments}row_hash = newest.row_hash, sys_start = newest.sys_start
    WHEN MATCHED THEN
        UPDATE SET sys_end = newest.{first_change}
    WHEN NOT MATCHED AND newest.row_hash IS NOT NULL THEN
        INSERT ({columns}, row_hash, sys_start)
        VALUES ({newest_values}, newest.row_hash, newest.sys_start)
    RETURNING merge_action() AS {merge_action}, newest.row_hash IS NULL AS {is_key_closed}, newest.{first_change},
              {old_values}, old.row_hash, old.sys_start
),
history AS (
    INSERT INTO {silver} ({columns}, row_hash, sys_start, sys_end)
    SELECT {columns}, row_hash, sys_start, {first_change}
    FROM merged
    WHERE {merge_action} = 'UPDATE' AND NOT {is_key_closed}
    UNION ALL
    -- Counting makes sure that MERGE is done: until then the current rows overlap these.
    SELECT {columns}, row_hash, sys_start, sys_end
    FROM new_row
    WHERE row_hash IS NOT NULL AND NOT {is_newest} AND (SELECT count(*) FROM merged) >= 0
    RETURNING 1
)
SELECT (SELECT count(*) FROM row_event) + (SELECT count(*) FROM truncation) AS events,
       count(*) FILTER (WHERE {merge_action} = 'INSERT') AS inserted,
       count(*) FILTER (WHERE {merge_action} = 'UPDATE' AND NOT {is_key_closed}) AS updated,
       count(*) FILTER (WHERE {is_key_closed}) AS closed,
       (SELECT count(*) FROM history) AS history,
       (SELECT count(*) FROM row_event WHERE NOT is_fit) AS unfit
FROM merged
