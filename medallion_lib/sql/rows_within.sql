-- Those of some rows, as bronze has them, that lie within a partition's bounds. The bounds name
-- columns bare, so nothing else stands beside the row they are asked of.
SELECT given.full_row
FROM unnest(%(rows)s::text[]) WITH ORDINALITY AS given (full_row, place)
WHERE EXISTS (
    SELECT FROM jsonb_populate_record(NULL::{table}, given.full_row::jsonb) AS its WHERE {bounds}
)
ORDER BY given.place
