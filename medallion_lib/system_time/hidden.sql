-- Of these names, each with the function that would be called for it: which mean another relation
-- than the function reads. A name that is hidden is printed with its schema.
SELECT pg_catalog.quote_ident(given.name) AS hiding, pg_catalog.regexp_replace(reads, '^SETOF ', '') AS meant
FROM ROWS FROM (pg_catalog.unnest(%(names)s::text[]), pg_catalog.unnest(%(functions)s::text[])) AS given (name, function)
CROSS JOIN LATERAL pg_catalog.pg_get_function_result(pg_catalog.to_regprocedure(given.function)::oid) AS reads
WHERE reads <> 'SETOF ' || pg_catalog.quote_ident(given.name)
LIMIT 1
