-- The commands that drop views of gold, and first the functions that answer for their past, with those
-- of whoever reads them: then the views are what stands in the way. Null where there is none.
WITH RECURSIVE view AS (
    SELECT oid, reltype FROM pg_class
    WHERE relnamespace = 'gold'::regnamespace AND relkind = 'v' AND relname = ANY (%(views)s)
),
function AS (
    SELECT pg_proc.oid, proargnames FROM pg_proc JOIN view ON reltype = prorettype
    UNION
    SELECT pg_proc.oid, pg_proc.proargnames
    FROM function
    JOIN pg_depend ON refclassid = 'pg_proc'::regclass AND refobjid = function.oid
    JOIN pg_proc ON classid = 'pg_proc'::regclass AND objid = pg_proc.oid
)
SELECT (SELECT 'DROP FUNCTION ' || string_agg(oid::regprocedure::text, ', ') FROM function
        WHERE array_to_string(proargnames, ',') = ANY (%(parameters)s)),
       (SELECT 'DROP VIEW ' || string_agg(oid::regclass::text, ', ') FROM view)
