-- The versions of one key, oldest first: from when, until when, and what each changed.
WITH version AS (
    SELECT sys_start, sys_end, row_to_json(v.*) AS row
    FROM {table} FOR SYSTEM_TIME ALL AS v
    WHERE {key} = %(key)s
),
paired AS (
    SELECT version.*, lag(sys_end) OVER by_time AS ended,
           CASE WHEN lag(sys_end) OVER by_time <= sys_start THEN lag(row) OVER by_time END AS before,
           lead(sys_start) OVER by_time AS next
    FROM version
    WINDOW by_time AS (ORDER BY sys_start)
)
SELECT sys_start, sys_end,
       CASE WHEN before IS NULL THEN 'begins' WHEN ended < sys_start THEN 'is back' ELSE 'changes' END
           || CASE WHEN sys_end = 'infinity' OR next = sys_end THEN '' ELSE ', then ends' END AS event,
       -- As text, since jsonb takes 1.0 for 1.00, and json has no equality.
       (SELECT string_agg(format('%%s: %%s -> %%s', key, coalesce(was.value #>> '{{}}', 'null'),
                                 coalesce(became.value #>> '{{}}', 'null')), ', ' ORDER BY key)
        FROM json_each(before) AS was
        JOIN json_each(row) AS became USING (key)
        WHERE key NOT IN ('row_hash', 'sys_start', 'sys_end', 'sys_period')
          AND was.value::text IS DISTINCT FROM became.value::text) AS changes
FROM paired
ORDER BY sys_start
