-- Whether the table has a partition that holds rows and is not among these.
SELECT EXISTS (
    SELECT FROM pg_partition_tree(to_regclass(%(table)s))
    WHERE isleaf AND relid::oid <> ALL (%(leaves)s::oid[])
)
