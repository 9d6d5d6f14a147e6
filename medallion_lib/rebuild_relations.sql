-- What stands in silver and gold, without the partitions.
SELECT pg_class.oid::regclass::text
FROM pg_class
WHERE relnamespace::regnamespace::text = ANY (%(schemas)s)
  AND relkind IN ('v', 'r', 'p') AND NOT relispartition
