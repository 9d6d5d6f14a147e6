-- The marts: the views of gold, in the order in which they were made, each with its columns.
SELECT relname,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0 ORDER BY attnum)
FROM pg_class
WHERE relnamespace = 'gold'::regnamespace AND relkind = 'v'
ORDER BY oid
