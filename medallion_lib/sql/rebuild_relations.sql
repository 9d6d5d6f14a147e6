-- What stands in silver and gold, without the partitions.
SELECT pg_class.oid::regclass::text
FROM pg_class
WHERE relnamespace IN ('gold'::regnamespace, 'silver'::regnamespace)
  AND relkind IN ('v', 'r', 'p') AND NOT relispartition
