-- Rows of one instant that these columns don't tell apart: what they have in common, and how many.
WITH row_key AS (
    SELECT 1 AS side, ARRAY[ROW({keys})] AS key, jsonb_build_array({keys})::text AS shown
    FROM {relation} FOR SYSTEM_TIME AS OF %(since)s AS its
    UNION ALL
    SELECT 2, ARRAY[ROW({keys})], jsonb_build_array({keys})::text
    FROM {relation} FOR SYSTEM_TIME AS OF %(until)s AS its
)
SELECT min(shown), count(*)
FROM row_key
GROUP BY side, key
HAVING count(*) > 1
ORDER BY key
LIMIT 1
