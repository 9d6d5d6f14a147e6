-- The tables of many bytes, and about how many rows they have, as the planner estimates it. Of one that
-- was never looked at, nothing is known.
SELECT name, sum(reltuples / nullif(relpages, 0) * (pg_relation_size(part.oid) / current_setting('block_size')::int))::bigint
FROM unnest(%s::text[]) AS name
JOIN pg_class AS part
  ON part.oid = name::regclass OR part.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = name::regclass)
WHERE part.relkind = 'r'
GROUP BY name
HAVING sum(pg_relation_size(part.oid)) > %s AND bool_and(reltuples >= 0 OR pg_relation_size(part.oid) = 0)
