-- Those of some rows, as bronze has them, that lie within a partition's bounds, and whether one
-- lacks a column that these name. The bounds name columns bare, so nothing else stands beside them.
SELECT given.full_row, NOT given.full_row::jsonb ?& ARRAY[{names}]
FROM unnest(%(rows)s::text[]) WITH ORDINALITY AS given (full_row, place)
WHERE NOT given.full_row::jsonb ?& ARRAY[{names}]
   OR EXISTS (SELECT FROM (SELECT {values}) AS its WHERE {bounds})
ORDER BY given.place
