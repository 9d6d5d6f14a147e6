-- Whether one of these tables, or a partition of one, was emptied or rewritten since the transaction's
-- snapshot: its rows of then are in other files, and nobody sees them any more.
SELECT coalesce(bool_or(relfilenode <> pg_relation_filenode(pg_class.oid)), false)
FROM unnest(%(tables)s::regclass[]) AS wanted (relation)
LEFT JOIN LATERAL pg_partition_tree(relation) AS tree ON true
JOIN pg_class ON pg_class.oid = coalesce(tree.relid, relation)
WHERE relkind = 'r'
