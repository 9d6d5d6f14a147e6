-- The columns of a table that a statement may set, which are those that are not generated.
SELECT array_agg(attname::text)
FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
