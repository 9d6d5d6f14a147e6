-- How many tables there are in a database that source.sql and replay.sql have not built.
SELECT count(*)
FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition
  AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
  AND to_regclass('replay.clock') IS NULL
