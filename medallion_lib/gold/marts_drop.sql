-- The commands that drop views of gold, and first the functions that answer for their past: each all of
-- them, or null where none is there.
WITH view AS (
    SELECT oid, reltype FROM pg_class
    WHERE relnamespace = 'gold'::regnamespace AND relkind = 'v' AND relname = ANY (%(views)s)
)
SELECT (SELECT 'DROP FUNCTION ' || string_agg(pg_proc.oid::regprocedure::text, ', ')
        FROM pg_proc
        JOIN view ON reltype = prorettype
        WHERE array_to_string(proargnames, ',') = ANY (%(parameters)s)),
       (SELECT 'DROP VIEW ' || string_agg(oid::regclass::text, ', ') FROM view)
