-- The table that a relation's rows count as: the root of its partitions, else itself. No row once it
-- is dropped.
SELECT pg_namespace.nspname, root.relname
FROM pg_class AS root
JOIN pg_namespace ON pg_namespace.oid = root.relnamespace
WHERE root.oid = coalesce(pg_partition_root(%(relation)s::oid), %(relation)s::oid)
