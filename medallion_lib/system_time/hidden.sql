-- Of a function that would be called for a name: which relation it is not, by name, and which it reads,
-- where that is another. One that is hidden is printed with its schema. Without FROM, which takes longer to plan.
CASE WHEN pg_catalog.pg_get_function_result(pg_catalog.to_regprocedure(%s)::oid) <> 'SETOF ' || pg_catalog.quote_ident(%s)
     THEN ARRAY[pg_catalog.regexp_replace(pg_catalog.pg_get_function_result(pg_catalog.to_regprocedure(%s)::oid), '^SETOF ', ''),
                pg_catalog.quote_ident(%s)] END
