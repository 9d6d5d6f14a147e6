-- The command that drops all the functions regenerate() made, once one of them stands for none
-- of these relations or does not fit its name; otherwise NULL.
SELECT 'DROP FUNCTION ' || string_agg(function.oid::regprocedure::text, ', ')
FROM pg_proc AS function
JOIN unnest(%(suffixes)s, %(parameters)s) AS form (suffix, parameters)
  ON form.parameters = array_to_string(function.proargnames, ',')
 AND form.suffix = right(function.proname, length(form.suffix))
JOIN pg_class AS relation ON relation.reltype = function.prorettype
HAVING NOT bool_and(
    function.proname = relation.relname || form.suffix
    AND function.pronamespace = relation.relnamespace
    AND relation.oid = ANY (%(relations)s::oid[])
)
