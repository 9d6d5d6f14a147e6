-- A source table's columns: the type with and without its length, a domain as what it stands for, and
-- a type that the warehouse may not have, or reads by its own catalog, as text. Those that the log has:
-- what is generated where it is stored, from PostgreSQL 18 on.
WITH RECURSIVE named AS (
    SELECT attnum, attname, atttypid AS type, atttypmod AS typmod, attnotnull,
           col_description(attrelid, attnum) AS comment
    FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
      AND (attgenerated = '' OR current_setting('server_version_num')::integer >= 180000)
    UNION ALL
    SELECT attnum, attname, domain.typbasetype,
           CASE WHEN typmod = -1 THEN domain.typtypmod ELSE typmod END,
           attnotnull OR domain.typnotnull, comment
    FROM named
    JOIN pg_type AS domain ON domain.oid = named.type AND domain.typtype = 'd'
)
SELECT attnum, attname,
       CASE WHEN is_common THEN format_type(type, typmod) ELSE 'text' END,
       CASE WHEN is_common THEN format_type(type, -1) ELSE 'text' END,
       attnotnull, comment
FROM named
JOIN pg_type ON pg_type.oid = named.type AND pg_type.typtype <> 'd'
CROSS JOIN LATERAL (
    SELECT typnamespace = 'pg_catalog'::regnamespace AND typname !~ '^_?(xml$|reg)'
) AS known (is_common)
ORDER BY attnum
