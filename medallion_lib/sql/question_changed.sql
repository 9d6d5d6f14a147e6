-- What differs between two instants, a row for each value. Keys are compared as JSON, in which null
-- is null: a mart may have a row of what is unknown.
WITH pair AS (
    SELECT {key_values}, row_to_json(before.*) AS row_before, row_to_json(after.*) AS row_after
    FROM {relation} FOR SYSTEM_TIME AS OF %(since)s AS before
    FULL JOIN {relation} FOR SYSTEM_TIME AS OF %(until)s AS after
      ON jsonb_build_array({key_before}) = jsonb_build_array({key_after})
    WHERE (before.*)::text IS DISTINCT FROM (after.*)::text
)
SELECT {keys},
       CASE WHEN row_before IS NULL THEN 'new' WHEN row_after IS NULL THEN 'gone' ELSE 'changed' END AS change,
       value.key AS column_name, value.was #>> '{{}}' AS was, value.became #>> '{{}}' AS became
FROM pair
CROSS JOIN LATERAL (
    SELECT key, was.value AS was, became.value AS became
    FROM json_each(row_before) AS was
    FULL JOIN json_each(row_after) AS became USING (key)
) AS value
WHERE value.key NOT IN ('row_hash', 'sys_start', 'sys_end', 'sys_period', {key_names})
  AND value.was::text IS DISTINCT FROM value.became::text  -- jsonb would take 1.0 for 1.00
ORDER BY {keys}, value.key
