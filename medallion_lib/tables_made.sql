-- Of pairs of relations, the places, from 0, of those that are there.
SELECT place - 1
FROM jsonb_array_elements(%s) WITH ORDINALITY AS named (pair, place)
WHERE to_regclass(pair ->> 0) IS NOT NULL AND to_regclass(pair ->> 1) IS NOT NULL
ORDER BY place
