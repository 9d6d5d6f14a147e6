-- Rows of one instant that these columns don't tell apart: what they have in common, and how many.
WITH row_key AS (
    SELECT 1 AS side, jsonb_build_array({keys}) AS key FROM {relation} FOR SYSTEM_TIME AS OF %(since)s AS before
    UNION ALL
    SELECT 2, jsonb_build_array({keys}) FROM {relation} FOR SYSTEM_TIME AS OF %(until)s AS after
)
SELECT key::text, count(*)
FROM row_key
GROUP BY side, key
HAVING count(*) > 1
ORDER BY key
LIMIT 1
