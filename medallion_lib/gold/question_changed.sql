-- What differs between two instants, a row for each value. Keys are the same where PostgreSQL says so,
-- and null is null: a mart may have a row of what is unknown. Values are compared as they stand in
-- the text of their row, where JSON shows some alike.
SELECT {key_values},
       CASE WHEN (before.*)::text IS NULL THEN 'new' WHEN (after.*)::text IS NULL THEN 'gone' ELSE 'changed' END
           AS change,
       value.name AS column_name, value.was, value.became
FROM {relation} FOR SYSTEM_TIME AS OF %(since)s AS before
FULL JOIN {relation} FOR SYSTEM_TIME AS OF %(until)s AS after
  ON ARRAY[ROW({key_before})] = ARRAY[ROW({key_after})]
CROSS JOIN LATERAL (
    SELECT name, was.name IS NULL OR became.name IS NULL AS is_alone,
           CASE WHEN shown.is_alike THEN was.field ELSE was.value #>> '{{}}' END AS was,
           CASE WHEN shown.is_alike THEN became.field ELSE became.value #>> '{{}}' END AS became
    FROM ({before}) AS was
    FULL JOIN ({after}) AS became USING (name)
    CROSS JOIN LATERAL (VALUES (was.value::text = became.value::text)) AS shown (is_alike)
    WHERE was.field IS DISTINCT FROM became.field
) AS value
WHERE (before.*)::text IS DISTINCT FROM (after.*)::text
  AND value.name <> ALL (meta.system_columns())
  AND NOT (value.is_alone AND value.name IN ({key_names}))
ORDER BY {places}, value.name
