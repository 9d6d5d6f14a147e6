-- What each name at the source means: a table and an enum by its oid, a column by its number in it, an
-- enum's label by its text, a partition by its table; and how it is told. Types that are parts of a column's type count too. Bronze has
-- names and texts alone.
WITH RECURSIVE captured AS (
    SELECT pg_class.oid, format('%%I.%%I', schema, name) AS name, json_build_array(schema, name)::text AS parts, is_unread
    FROM json_to_recordset(%(captured)s) AS declared (schema text, name text, is_unread boolean)
    JOIN pg_namespace ON nspname = schema
    JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid
),
col AS (
    SELECT format('column %%I of %%s', attname, captured.name) AS name, attnum, atttypid
    FROM captured
    JOIN pg_attribute ON attrelid = captured.oid AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
    WHERE attgenerated = '' OR current_setting('server_version_num')::integer >= 180000
),
used AS (
    SELECT atttypid AS type FROM col
    UNION
    SELECT part.type
    FROM used
    JOIN pg_type ON pg_type.oid = used.type
    CROSS JOIN LATERAL (
        SELECT typbasetype UNION SELECT typelem
        UNION SELECT rngsubtype FROM pg_range WHERE used.type IN (rngtypid, rngmultitypid)
        UNION SELECT atttypid FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0
    ) AS part (type)
),
enum AS (
    SELECT oid, format('%%s.%%I', typnamespace::regnamespace, typname) AS name
    FROM pg_type
    WHERE typtype = 'e' AND oid IN (SELECT type FROM used)
),
meaning AS (
    SELECT 'table ' || name AS name, 'table ' || name AS shown, oid::text AS is FROM captured
    UNION ALL
    SELECT name, name, attnum::text FROM col
    UNION ALL
    SELECT format('partition %%s of %%s', relid::oid, name), format('partition %%s', relid), parts
    FROM captured CROSS JOIN LATERAL pg_partition_tree(captured.oid) WHERE isleaf AND level > 0
    UNION ALL
    SELECT 'enum ' || enum.name, 'enum ' || enum.name, oid::text FROM enum
    UNION ALL
    SELECT format('label %%s of an enum', pg_enum.oid), 'label of enum ' || enum.name, enumlabel
    FROM pg_enum JOIN enum ON enum.oid = enumtypid
)
SELECT coalesce(json_object_agg(name, meaning.is), '{}'), coalesce(json_object_agg(name, shown), '{}'),
       coalesce((SELECT json_agg(name) FROM captured WHERE is_unread), '[]')
FROM meaning
