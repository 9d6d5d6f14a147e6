-- Each value of silver's current rows that is not the source's; `name` is null where one side has no
-- such row at all.
WITH expected AS (
    SELECT {expected} FROM pg_temp.source_row WHERE source = {source}
),
found AS (
    SELECT {columns} FROM {silver} WHERE sys_end = 'infinity'
),
pair AS (
    SELECT coalesce(expected.{key}, found.{key})::text AS key,
           expected.{key} IS NOT NULL AS is_at_source, found.{key} IS NOT NULL AS is_in_silver,
           to_jsonb(expected) AS expected, to_jsonb(found) AS found
    FROM expected
    FULL JOIN found ON found.{key} = expected.{key}
    WHERE expected IS DISTINCT FROM found
)
SELECT pair.key, NULL AS name, nullif(is_at_source, false)::text AS at_source, NULL AS in_silver
FROM pair
WHERE is_at_source <> is_in_silver
UNION ALL
SELECT pair.key, value.key, value.value::text, (pair.found -> value.key)::text
FROM pair
CROSS JOIN LATERAL jsonb_each(pair.expected) AS value
WHERE is_at_source AND is_in_silver AND value.value IS DISTINCT FROM pair.found -> value.key
ORDER BY key, name
