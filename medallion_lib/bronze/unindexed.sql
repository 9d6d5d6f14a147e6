-- Those of some bronze tables that lack an index, and whether they have their key.
SELECT name, has_key
FROM unnest(%s::text[]) AS its (name)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE indisprimary) > 0, count(indpred) > 0
    FROM pg_index
    WHERE indrelid = to_regclass(name)
) AS known (has_key, has_others)
WHERE to_regclass(name) IS NOT NULL AND NOT (has_key AND has_others)
