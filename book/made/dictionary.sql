-- Every table and view of the four layers, with its columns and what the database says of each.
-- A month's partition means what its table means and stands with it.
SELECT
    schema.nspname AS layer,
    obj_description(schema.oid, 'pg_namespace') AS layer_meaning,
    relation.relname AS name,
    CASE relation.relkind WHEN 'v' THEN 'View' ELSE 'Table' END AS kind,
    obj_description(relation.oid, 'pg_class') AS meaning,
    (SELECT count(*) FROM pg_inherits WHERE inhparent = relation.oid) AS partitions,
    EXISTS (
        SELECT FROM pg_proc
        WHERE pronamespace = schema.oid AND proname = relation.relname || '__as_of'
    ) AS travels,
    array_agg(attribute.attname::text ORDER BY attribute.attnum) AS columns,
    array_agg(format_type(attribute.atttypid, attribute.atttypmod) ORDER BY attribute.attnum)
        AS types,
    array_agg(col_description(relation.oid, attribute.attnum) ORDER BY attribute.attnum)
        AS meanings
FROM pg_class AS relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
JOIN pg_attribute AS attribute
  ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
JOIN unnest(ARRAY['bronze', 'silver', 'gold', 'meta']) WITH ORDINALITY AS layers (name, place)
  ON layers.name = schema.nspname
WHERE relation.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relation.relispartition
GROUP BY schema.oid, schema.nspname, layers.place, relation.oid
ORDER BY layers.place, relation.relname
