-- A silver table's columns and their types, with and without length or precision, less the columns
-- that say when a version was true.
SELECT attname, format_type(atttypid, atttypmod), format_type(atttypid, -1)
FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
  AND attname NOT IN ('row_hash', 'sys_start', 'sys_end', 'sys_period')
ORDER BY attnum
