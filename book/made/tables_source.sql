-- The primary key of each table of the source whose changes are published.
SELECT conrelid::regclass::text AS name, array_agg(attname::text ORDER BY place) AS key
FROM pg_constraint
CROSS JOIN LATERAL unnest(conkey) WITH ORDINALITY AS part (number, place)
JOIN pg_attribute ON attrelid = conrelid AND attnum = number
WHERE contype = 'p' AND conrelid IN (
    SELECT coalesce(pg_partition_root(prrelid), prrelid) FROM pg_publication_rel)
GROUP BY conrelid
ORDER BY name
