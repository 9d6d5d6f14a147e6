-- What differs between two instants, a row for each value. Keys are compared as JSON, in which null
-- is null: a mart may have a row of what is unknown.
WITH pair AS (
    SELECT {key_values}, to_jsonb(before) AS before, to_jsonb(after) AS after
    FROM {relation} FOR SYSTEM_TIME AS OF :since AS before
    FULL JOIN {relation} FOR SYSTEM_TIME AS OF :until AS after
      ON jsonb_build_array({key_before}) = jsonb_build_array({key_after})
)
SELECT {keys},
       CASE WHEN before IS NULL THEN 'new' WHEN after IS NULL THEN 'gone' ELSE 'changed' END AS change,
       value.key AS column_name, before ->> value.key AS was, after ->> value.key AS became
FROM pair
CROSS JOIN LATERAL jsonb_each(coalesce(after, before)) AS value
WHERE value.key NOT IN ('row_hash', 'sys_start', 'sys_end', 'sys_period', {key_names})
  AND before -> value.key IS DISTINCT FROM after -> value.key
ORDER BY {keys}, column_name
