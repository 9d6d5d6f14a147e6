-- Those of some bronze tables that lack an index, and whether they have their key, that of truncations, and one
-- that rows are found by.
SELECT name, has_key, has_others, has_lookup
FROM unnest(%s::text[]) AS its (name)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE indisprimary) > 0, count(indpred) > 0, count(indexprs) > 0
    FROM pg_index
    WHERE indrelid = to_regclass(name)
) AS known (has_key, has_others, has_lookup)
WHERE to_regclass(name) IS NOT NULL AND NOT (has_key AND has_others AND has_lookup)
