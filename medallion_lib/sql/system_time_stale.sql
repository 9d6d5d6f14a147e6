-- The command that drops all the functions regenerate() made, once one of them stands for none
-- of these relations or does not fit its name; otherwise NULL.
SELECT 'DROP FUNCTION ' || string_agg(function.oid::regprocedure::text, ', ')
FROM pg_proc AS function
JOIN pg_class AS relation ON relation.reltype = function.prorettype
WHERE function.proargnames = ARRAY['as of'] AND function.proname LIKE '%%\_\_as\_of'
HAVING NOT bool_and(
    function.proname = relation.relname || '__as_of'
    AND function.pronamespace = relation.relnamespace
    AND relation.oid = ANY (%(relations)s::oid[])
)
