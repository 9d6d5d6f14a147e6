-- A source table's columns: the type with and without its length, a domain as what it stands for, and
-- a type that the warehouse may not have, or reads by its own catalog, as text. What a row from before
-- the column has in it is told as bronze would have it; where that is not known, whether there may be
-- something, which the log has not. Those that the log has: what is generated where it is stored, from
-- PostgreSQL 18 on.
WITH RECURSIVE named AS (
    SELECT attrelid, attnum, attname, atttypid AS type, atttypmod AS typmod, attnotnull,
           col_description(attrelid, attnum) AS comment,
           CASE WHEN before.count = 1 THEN before.value END AS missing,
           (attnotnull OR atthasdef) AND before.count <> 1 AS is_filled
    FROM pg_attribute
    -- Of a partitioned table its partitions have that: each that had rows then.
    CROSS JOIN LATERAL (
        SELECT min(array_to_string(own.attmissingval, '')), count(DISTINCT array_to_string(own.attmissingval, ''))
        FROM (SELECT pg_attribute.attrelid UNION SELECT relid FROM pg_partition_tree(pg_attribute.attrelid)) AS part (oid)
        JOIN pg_attribute AS own ON own.attrelid = part.oid AND own.attname = pg_attribute.attname
        WHERE own.atthasmissing
    ) AS before (value, count)
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
      AND (attgenerated = '' OR current_setting('server_version_num')::integer >= 180000)
    UNION ALL
    SELECT attrelid, attnum, attname, domain.typbasetype,
           CASE WHEN typmod = -1 THEN domain.typtypmod ELSE typmod END,
           attnotnull OR domain.typnotnull, comment, missing, is_filled
    FROM named
    JOIN pg_type AS domain ON domain.oid = named.type AND domain.typtype = 'd'
)
SELECT attnum, attname,
       CASE WHEN is_common THEN format_type(type, typmod) ELSE 'text' END,
       CASE WHEN type = 'boolean'::regtype THEN missing::boolean::text
            WHEN type = ANY ('{smallint,integer,bigint,oid,real,double precision,numeric}'::regtype[])
                 AND missing ~ '\d$' AND missing <> '-0' THEN missing::jsonb #>> '{}'
            ELSE missing END,
       comment, is_filled,
       CASE WHEN is_common THEN format_type(type, -1) ELSE 'text' END, attnotnull
FROM named
JOIN pg_type ON pg_type.oid = named.type AND pg_type.typtype <> 'd'
CROSS JOIN LATERAL (
    SELECT typnamespace = 'pg_catalog'::regnamespace AND typname !~ '^_?(xml$|reg)'
) AS known (is_common)
ORDER BY attnum
