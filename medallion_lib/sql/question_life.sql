-- The versions of one key, oldest first: from when, until when, and what each changed.
WITH version AS (
    SELECT sys_start, sys_end,
           to_jsonb(v) - ARRAY['row_hash', 'sys_start', 'sys_end', 'sys_period'] AS row
    FROM {table} FOR SYSTEM_TIME ALL AS v
    WHERE {key} = :key
),
paired AS (
    SELECT version.*, lag(row) OVER by_time AS before, lag(sys_end) OVER by_time AS ended,
           lead(sys_start) OVER by_time AS next
    FROM version
    WINDOW by_time AS (ORDER BY sys_start)
)
SELECT sys_start, sys_end,
       CASE WHEN before IS NULL THEN 'begins' WHEN ended < sys_start THEN 'is back' ELSE 'changes' END
           || CASE WHEN sys_end = 'infinity' OR next = sys_end THEN '' ELSE ', then ends' END AS event,
       (SELECT string_agg(format('%s: %s -> %s', value.key, coalesce(before ->> value.key, 'null'),
                                 coalesce(value.value #>> '{{}}', 'null')), ', ' ORDER BY value.key)
        FROM jsonb_each(row) AS value
        WHERE before -> value.key IS DISTINCT FROM value.value AND before IS NOT NULL) AS changes
FROM paired
ORDER BY sys_start
