-- What stands in silver and gold, without the partitions.
SELECT pg_class.oid::regclass::text
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = ANY (%(schemas)s)
  AND relkind IN ('v', 'r', 'p') AND NOT relispartition
