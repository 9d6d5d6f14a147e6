-- Commands that bring the functions regenerate() made up to what is: those of none of these relations,
-- or of one that is about to change, are dropped with those that call them; those of one that was
-- renamed are renamed. Of all that, those which are one's own to drop: a superuser's are all, and so
-- are the database owner's in a schema of that owner.
WITH RECURSIVE ours AS MATERIALIZED (
    SELECT
        function.oid, relation.oid AS relation, function.proname AS name, relation.relname || form.suffix AS wanted,
        function.oid::regprocedure::text AS signature,
        function.pronamespace = relation.relnamespace AND coalesce(relation.oid = ANY (%(relations)s::oid[]), true)
            AND relation.oid <> ALL (%(changing)s::oid[]) AS stays
    FROM pg_proc AS function
    JOIN unnest(%(suffixes)s::text[], %(parameters)s::text[]) AS form (suffix, parameters)
      ON form.parameters = array_to_string(function.proargnames, ',')
     AND form.suffix = right(function.proname, length(form.suffix))
    JOIN pg_class AS relation ON relation.reltype = function.prorettype
    JOIN pg_namespace AS schema ON schema.oid = function.pronamespace
    WHERE pg_has_role(function.proowner, 'USAGE') OR pg_has_role(schema.nspowner, 'USAGE')
),
gone AS (
    SELECT oid FROM ours WHERE NOT stays
    UNION
    SELECT caller.oid
    FROM gone
    JOIN pg_depend ON refclassid = 'pg_proc'::regclass AND refobjid = gone.oid AND classid = 'pg_proc'::regclass
    JOIN ours AS caller ON caller.oid = objid
)
SELECT 'DROP FUNCTION IF EXISTS ' || string_agg(signature, ', ') AS command
FROM ours JOIN gone USING (oid)
HAVING count(*) > 0
UNION ALL
SELECT format('ALTER FUNCTION %%s RENAME TO %%I', signature, wanted)
FROM ours
WHERE oid NOT IN (SELECT oid FROM gone) AND name <> wanted AND octet_length(wanted) < 64
