-- The tables with changes whose old row the log names by its key alone.
SELECT name
FROM unnest(%(tables)s::text[]) AS its (name)
WHERE EXISTS (
    SELECT FROM pg_class
    WHERE relkind = 'r' AND relreplident <> 'f'
      AND (oid = to_regclass(name) OR oid IN (SELECT relid FROM pg_partition_tree(to_regclass(name))))
)
