-- The relations whose function answers, and does not only say why there is no history. The
-- parameter's name marks the functions regenerate() made.
SELECT
    CASE WHEN pg_catalog.pg_table_is_visible(relation.oid)
        THEN pg_catalog.quote_ident(relation.relname)
        ELSE pg_catalog.format('%I.%I', schema.nspname, relation.relname) END AS relation
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_language AS language ON language.oid = function.prolang
JOIN pg_catalog.pg_class AS relation ON relation.reltype = function.prorettype
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE function.proargnames = ARRAY['as of'] AND function.proname LIKE '%\_\_as\_of'
  AND language.lanname = 'sql'
ORDER BY schema.nspname, relation.relname
