-- A table as the stream would describe it: with what is generated where it is stored, from PostgreSQL 18 on.
SELECT attrelid::bigint, array_agg(attname::text ORDER BY attnum),
       array_agg(atttypid::bigint ORDER BY attnum)
FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
  AND (attgenerated = '' OR current_setting('server_version_num')::integer >= 180000)
GROUP BY attrelid
