-- The tables whose rows a foreign key's own action has deleted or changed in this transaction, with the
-- one row of this table that was deleted.
SELECT string_agg(relid::regclass::text, ', ' ORDER BY relid::regclass::text)
FROM pg_stat_xact_user_tables AS changed
WHERE n_tup_del + n_tup_upd > (relid::regclass = %(table)s::regclass
                               OR relid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass)))::integer
  AND EXISTS (
      SELECT FROM pg_constraint
      WHERE conrelid = changed.relid AND contype = 'f' AND confdeltype IN ('c', 'n', 'd')
  )
