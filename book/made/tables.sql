-- Silver's tables and gold's marts: their columns, the key of a table without its period, and, of a
-- mart, which of silver's tables its views of current rows are made from.
WITH RECURSIVE reads AS (
    SELECT rule.ev_class AS reader, dependency.refobjid AS read
    FROM pg_rewrite AS rule
    JOIN pg_depend AS dependency
      ON dependency.classid = 'pg_rewrite'::regclass AND dependency.objid = rule.oid
     AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid <> rule.ev_class
    GROUP BY rule.ev_class, dependency.refobjid
),
made_from AS (
    SELECT reader, read FROM reads
    UNION
    SELECT made_from.reader, reads.read
    FROM made_from JOIN reads ON reads.reader = made_from.read
)
SELECT
    schema.nspname AS layer,
    relation.relname AS name,
    array_agg(attribute.attname::text ORDER BY attribute.attnum) AS columns,
    coalesce((
        SELECT array_agg(key.attname::text ORDER BY key.attnum)
        FROM pg_constraint
        JOIN pg_attribute AS key ON key.attrelid = conrelid AND key.attnum = ANY (conkey)
        WHERE conrelid = relation.oid AND contype = 'p'
          AND key.attname NOT IN ('sys_end', 'sys_period')
    ), '{}') AS key,
    coalesce((
        SELECT array_agg(read.relname::text ORDER BY read.relname)
        FROM made_from JOIN pg_class AS read ON read.oid = made_from.read
        WHERE made_from.reader = relation.oid AND read.relkind IN ('r', 'p')
    ), '{}') AS made_from
FROM pg_class AS relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
JOIN pg_attribute AS attribute
  ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
 AND attribute.attname <> ALL (meta.system_columns())
WHERE NOT relation.relispartition AND (
    schema.nspname = 'silver' AND relation.relkind IN ('r', 'p')
    OR schema.nspname = 'gold' AND relation.relkind = 'v'
)
GROUP BY schema.nspname, relation.oid
ORDER BY relation.relname
