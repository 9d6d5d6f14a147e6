-- The functions regenerate() made, the relation each stands for, and whether it answers or only
-- says why the relation has no history. The parameter's name marks them as ours.
SELECT
    relation.oid AS relation,
    CASE WHEN pg_catalog.pg_table_is_visible(relation.oid)
        THEN pg_catalog.quote_ident(relation.relname)
        ELSE pg_catalog.format('%I.%I', schema.nspname, relation.relname) END AS relation_name,
    schema_of_function.nspname AS schema,
    function.proname AS name,
    function.proname = relation.relname || '__as_of' AND function.pronamespace = schema.oid AS fits,
    language.lanname = 'sql' AS answers
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_namespace AS schema_of_function ON schema_of_function.oid = function.pronamespace
JOIN pg_catalog.pg_language AS language ON language.oid = function.prolang
JOIN pg_catalog.pg_class AS relation ON relation.reltype = function.prorettype
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE function.proargnames = ARRAY['as of'] AND function.proname LIKE '%\_\_as\_of'
ORDER BY schema.nspname, relation.relname
