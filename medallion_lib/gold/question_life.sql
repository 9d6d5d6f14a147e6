-- The versions of a key, oldest first: from when, until when, and what each changed.
WITH version AS (
    SELECT sys_start, sys_end, row_to_json(v.*) AS row, (v.*)::text AS said
    FROM {table} FOR SYSTEM_TIME ALL AS v
    WHERE {is_asked}
),
paired AS (
    SELECT version.*, lag(sys_end) OVER by_time AS ended, lag(said) OVER by_time AS said_before,
           CASE WHEN lag(sys_end) OVER by_time <= sys_start THEN lag(row) OVER by_time END AS before,
           lead(sys_start) OVER by_time AS next
    FROM version
    WINDOW by_time AS (ORDER BY sys_start)
)
SELECT sys_start, sys_end,
       CASE WHEN before IS NULL THEN 'begins' WHEN ended < sys_start THEN 'is back' ELSE 'changes' END
           || CASE WHEN sys_end = 'infinity' OR next = sys_end THEN '' ELSE ', then ends' END AS event,
       -- Values are compared as they stand in the text of their row, where JSON shows some alike.
       (SELECT string_agg(format('%%s: %%s -> %%s', name, coalesce(shown.was, 'null'),
                                 coalesce(shown.became, 'null')), ', ' ORDER BY name)
        FROM ({fields_before}) AS was
        JOIN ({fields}) AS became USING (name)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN is_alike THEN was.field ELSE was.value #>> '{{}}' END AS was,
                   CASE WHEN is_alike THEN became.field ELSE became.value #>> '{{}}' END AS became
            FROM (VALUES (was.value::text = became.value::text)) AS its (is_alike)
        ) AS shown
        WHERE name <> ALL (meta.system_columns())
          AND was.field <> became.field) AS changes
FROM paired
ORDER BY sys_start
