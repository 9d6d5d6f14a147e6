-- The command that drops all the functions regenerate() made, once one of them stands for none
-- of these relations or does not fit its name; otherwise NULL. Those, that is, which are one's own
-- to drop: a superuser's are all, and so are the database owner's in a schema of that owner.
SELECT 'DROP FUNCTION ' || string_agg(function.oid::regprocedure::text, ', ')
FROM pg_proc AS function
JOIN unnest(%(suffixes)s::text[], %(parameters)s::text[]) AS form (suffix, parameters)
  ON form.parameters = array_to_string(function.proargnames, ',')
 AND form.suffix = right(function.proname, length(form.suffix))
JOIN pg_class AS relation ON relation.reltype = function.prorettype
JOIN pg_namespace AS schema ON schema.oid = function.pronamespace
WHERE pg_has_role(function.proowner, 'USAGE') OR pg_has_role(schema.nspowner, 'USAGE')
HAVING NOT bool_and(
    function.proname = relation.relname || form.suffix
    AND function.pronamespace = relation.relnamespace
    AND relation.oid = ANY (%(relations)s::oid[])
)
