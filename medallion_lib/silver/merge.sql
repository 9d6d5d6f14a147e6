-- Bronze to one silver table: the events from one position up to another, which begins the next
-- batch. A commit may begin at the very byte where the one before it ends.
WITH landed AS NOT MATERIALIZED (
    SELECT lsn, seq, op, commit_ts, full_row
    FROM {bronze}
    WHERE lsn >= %(since)s AND lsn < %(upto)s {counted}
),
before AS NOT MATERIALIZED (
    SELECT {silver_keys}, row_hash, {row_now} AS row_before
    FROM {silver} AS hist
    WHERE sys_end = 'infinity'
),
{versions},
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
