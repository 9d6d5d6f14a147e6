-- About how many rows these tables have, by what the source last counted; null where it has not.
SELECT nullif(sum(greatest(leaf.reltuples, 0)), 0)::bigint
FROM json_to_recordset(%(captured)s) AS captured (schema text, name text)
CROSS JOIN LATERAL to_regclass(format('%%I.%%I', schema, name)) AS root (oid)
LEFT JOIN LATERAL pg_partition_tree(root.oid) AS tree ON tree.isleaf
JOIN pg_class AS leaf ON leaf.oid = coalesce(tree.relid, root.oid)
