-- The captured tables at the source: their rows now, and the bytes of tables and indexes.
SELECT (SELECT count(*) FROM ({rows}) AS each) AS rows, sum(pg_total_relation_size(oid))::bigint AS bytes
FROM pg_class
WHERE coalesce(pg_partition_root(oid), oid) = ANY (ARRAY[{names}]::regclass[])  -- the partitions hold the rows
