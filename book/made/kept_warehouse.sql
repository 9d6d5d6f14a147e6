-- Bronze's changes and silver's versions, and the bytes of tables and indexes.
WITH layer AS (
    SELECT relnamespace::regnamespace::text AS name,
           sum(pg_total_relation_size(oid))::bigint AS bytes
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('bronze', 'silver')
    GROUP BY 1
),
counted AS (
    SELECT 'bronze' AS name, count(*) AS rows, NULL::bigint AS current
    FROM ({changes}) AS change
    UNION ALL
    SELECT 'silver', count(*), count(*) FILTER (WHERE sys_end = 'infinity')
    FROM ({versions}) AS version
)
SELECT rows, bytes, current
FROM counted
JOIN layer USING (name)
ORDER BY name
