-- What has rows outside the system's schemas, and whether it is offered where a person names no table:
-- tables and roots of partitions that no extension made.
SELECT pg_class.oid::bigint, nspname, relname,
       CASE WHEN relispartition THEN format('a partition of %s', pg_partition_root(pg_class.oid)::regclass)
            WHEN relkind = 'v' THEN 'a view'
            WHEN relkind = 'm' THEN 'a materialized view'
            WHEN relkind = 'f' THEN 'a foreign table' END AS other,
       relkind IN ('r', 'p') AND NOT relispartition AND NOT EXISTS (
           SELECT FROM pg_depend
           WHERE deptype = 'e' AND (classid, objid) IN (
               ('pg_class'::regclass, pg_class.oid), ('pg_namespace'::regclass, pg_namespace.oid))
       ) AS is_offered
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't'
  AND nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY nspname, relname
