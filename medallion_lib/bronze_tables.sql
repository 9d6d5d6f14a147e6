-- Bronze's tables, of any schema and whatever is declared now. None while the warehouse is half made.
SELECT nspname, relname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'full_row'
WHERE relkind = 'r' AND relname ~ '^br_.*_cdc$' AND to_regclass('meta.watermark') IS NOT NULL
ORDER BY 1, 2
