-- The marts: the views of gold, in the order in which they were made.
SELECT relname
FROM pg_class
WHERE relnamespace = 'gold'::regnamespace AND relkind = 'v'
ORDER BY oid
