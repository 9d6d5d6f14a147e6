-- Versioned tables: ordinary or partitioned, not a partition, with sys_start and sys_end.
SELECT
    relation.oid,
    schema.nspname AS schema,
    relation.relname AS name,
    format('%%I.%%I', schema.nspname, relation.relname) AS quoted,
    string_agg(quote_ident(attribute.attname), ', ' ORDER BY attribute.attnum) AS columns
FROM pg_class AS relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
WHERE schema.nspname = ANY (%(schemas)s)
  AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
  AND attribute.attnum > 0 AND NOT attribute.attisdropped
GROUP BY relation.oid, schema.nspname, relation.relname
HAVING count(*) FILTER (
    WHERE attribute.attname IN ('sys_start', 'sys_end')
      AND attribute.atttypid = 'timestamptz'::regtype
) = 2
ORDER BY schema.nspname, relation.relname
