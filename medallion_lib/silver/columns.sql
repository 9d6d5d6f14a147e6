-- A silver table's columns and their types, with and without length or precision, a domain's as those
-- of what it stands for, and which may be null; less the columns that say when a version was true.
WITH RECURSIVE named AS (
    SELECT attnum, attname, atttypid AS type, atttypmod AS typmod, attnotnull
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
      AND attname NOT IN ('row_hash', 'sys_start', 'sys_end', 'sys_period')
    UNION ALL
    SELECT attnum, attname, typbasetype, typtypmod, attnotnull
    FROM named
    JOIN pg_type ON pg_type.oid = named.type AND typtype = 'd'
)
SELECT attname, format_type(type, typmod), format_type(type, -1), NOT attnotnull
FROM named
JOIN pg_type ON pg_type.oid = named.type AND typtype <> 'd'
ORDER BY attnum
