-- The tables that hold a table's rows: itself, or its partitions.
SELECT nspname, relname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE relkind = 'r' AND %s::regclass IN (pg_class.oid, inhparent)
ORDER BY relname
