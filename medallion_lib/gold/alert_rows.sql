-- The rows of a rule, and up to when history is final. Who listens is sent those that are not known yet:
-- as much of one as a notification takes.
WITH found AS MATERIALIZED (
    SELECT DISTINCT to_jsonb(each)::text AS row FROM {view} AS each
),
final AS (
    SELECT commit_ts AS at FROM meta.watermark WHERE stage = 'merge'
),
sent AS MATERIALIZED (
    SELECT pg_notify(%(channel)s, json_build_object(
        'rule', %(rule)s::text, 'at', at, 'row', CASE WHEN octet_length(row) < 7500 THEN row::json END)::text)
    FROM found LEFT JOIN final ON true
    WHERE row <> ALL (%(known)s::text[])
)
SELECT row, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')
FROM found LEFT JOIN final ON true
WHERE (SELECT count(*) FROM sent) >= 0
ORDER BY row
