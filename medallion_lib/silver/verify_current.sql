-- Each value of silver's current rows that is not the source's; `name` is null where one side has no
-- such row at all. Values are compared as PostgreSQL prints them: json, xml and point have no
-- equality, a box equals any other of its area, and 1.0 equals 1.00.
WITH expected AS (
    SELECT {expected}
    FROM (
        -- Unpacked once, and not for each value.
        SELECT full_row || '{{}}' AS full_row FROM pg_temp.source_row WHERE source = {source} OFFSET 0
    ) AS source_row
),
found AS (
    SELECT {columns} FROM {silver} WHERE sys_end = 'infinity'
)
SELECT ARRAY[{either_key}] AS key, its.name, its.at_source, its.in_silver
FROM expected
FULL JOIN found ON {is_pair}
CROSS JOIN LATERAL (
    SELECT (expected.*)::text AS expected, (found.*)::text AS found,
           row_to_json(expected.*) AS at_source, row_to_json(found.*) AS in_silver
) AS row
CROSS JOIN LATERAL (
    SELECT NULL AS name, row.expected AS at_source, row.found AS in_silver
    WHERE row.expected IS NULL OR row.found IS NULL
    UNION ALL
    -- As JSON, but for what that shows alike: json's null and no value.
    SELECT value.name,
           CASE WHEN shown.is_alike THEN value.expected ELSE shown.expected END,
           CASE WHEN shown.is_alike THEN value.found ELSE shown.found END
    FROM (VALUES {values}) AS value (name, expected, found)
    CROSS JOIN LATERAL (
        SELECT (row.at_source -> value.name)::text, (row.in_silver -> value.name)::text,
               (row.at_source -> value.name)::text = (row.in_silver -> value.name)::text
    ) AS shown (expected, found, is_alike)
    WHERE row.expected IS NOT NULL AND row.found IS NOT NULL AND value.expected <> value.found
) AS its
WHERE row.expected IS DISTINCT FROM row.found
ORDER BY key, its.name
