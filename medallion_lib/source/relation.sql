-- A table as the stream would describe it.
SELECT attrelid::bigint, array_agg(attname::text ORDER BY attnum),
       array_agg(atttypid::bigint ORDER BY attnum)
FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
GROUP BY attrelid
