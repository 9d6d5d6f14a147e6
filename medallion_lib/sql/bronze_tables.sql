-- Bronze's tables, whatever is declared now. None while the warehouse is half made.
SELECT nspname, relname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND starts_with(nspname, 'bronze') AND relname ~ '^br_.*_cdc$'
  AND to_regclass('meta.watermark') IS NOT NULL
ORDER BY 1, 2
