-- What reads these schemas from elsewhere, as statements: to drop each view and function, and to make it
-- again as it is.
SELECT readers.*
FROM (SELECT array_agg(oid) FROM pg_namespace WHERE nspname = ANY (%(schemas)s)) AS within (schemas)
CROSS JOIN LATERAL meta.remaking_readers(
    ARRAY(SELECT oid FROM pg_class WHERE relnamespace = ANY (within.schemas)), within.schemas) AS readers
