-- The tables and views that these names mean, each the name of a schema, a table or a view; a
-- partition is its table's. A name that means nothing comes with nulls.
SELECT asked.name, schema.nspname AS schema, relation.relname AS relation
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS asked (name, place)
LEFT JOIN (pg_class AS relation JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace)
  ON (schema.nspname = asked.name OR relation.oid = to_regclass(asked.name))
 AND relation.relkind IN ('r', 'p', 'v', 'm') AND NOT relation.relispartition
WHERE relation.relname IS NOT NULL OR to_regnamespace(asked.name) IS NULL
ORDER BY asked.place, schema.nspname, relation.relname
