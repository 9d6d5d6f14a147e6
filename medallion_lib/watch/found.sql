-- Facts of some tables, for a plan: rows and bytes, as estimated; the key that is best, with the columns
-- of the source. Of partitions every leaf counts: their old rows are logged as each says.
WITH chosen AS (
    SELECT pg_class.oid, relnamespace, relname, relkind
    FROM pg_class
    WHERE oid = ANY (%(tables)s::oid[])
),
leaf AS (
    SELECT chosen.oid AS root, relation.oid, relation.relreplident AS identity, relation.reltuples AS tuples
    FROM chosen
    LEFT JOIN LATERAL pg_partition_tree(chosen.oid) AS tree ON tree.isleaf
    JOIN pg_class AS relation ON relation.oid = coalesce(tree.relid, chosen.oid)
    WHERE relation.relkind <> 'p'
),
-- The columns of each unique index that tells rows apart at any moment.
fit AS (
    SELECT indrelid, indexrelid, indisprimary, indisreplident, array_agg(attname::text ORDER BY place) AS columns
    FROM pg_index
    CROSS JOIN LATERAL unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY AS part (number, place)
    JOIN pg_attribute ON attrelid = indrelid AND attnum = number
    WHERE indrelid IN (SELECT oid FROM chosen UNION SELECT oid FROM leaf)
      AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND indexprs IS NULL
    GROUP BY indexrelid
    HAVING bool_and(attnotnull AND (attgenerated = '' OR current_setting('server_version_num')::integer >= 180000))
),
keyed AS (
    SELECT DISTINCT ON (fit.indrelid) fit.indrelid AS table, fit.columns, indisprimary, its.relname AS index
    FROM fit
    JOIN chosen ON chosen.oid = fit.indrelid
    JOIN pg_class AS its ON its.oid = fit.indexrelid
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_and(leaf.identity = 'f' OR EXISTS (
            SELECT FROM fit AS logged
            WHERE logged.indrelid = leaf.oid AND fit.columns <@ logged.columns
              AND CASE leaf.identity WHEN 'd' THEN logged.indisprimary WHEN 'i' THEN logged.indisreplident END
        )), true)
        FROM leaf
        WHERE leaf.root = fit.indrelid
    ) AS known (is_logged)
    ORDER BY fit.indrelid, is_logged DESC, indisprimary DESC, indisreplident DESC, cardinality(fit.columns), its.relname
)
SELECT chosen.oid::bigint, size.rows, keyed.columns AS key,
       CASE WHEN indisprimary THEN 'primary key' ELSE coalesce('index ' || keyed.index, 'none') END AS key_from,
       them.each AS columns, is_readable
FROM chosen
JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN keyed ON keyed.table = chosen.oid
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_and(tuples >= 0) THEN sum(tuples)::bigint WHEN count(*) = 0 THEN 0 END AS rows
    FROM leaf
    WHERE root = chosen.oid
) AS size
CROSS JOIN LATERAL (
    SELECT has_table_privilege(chosen.oid, 'SELECT') AND has_schema_privilege(relnamespace, 'USAGE')
           AND NOT row_security_active(chosen.oid) AS is_readable
) AS its
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'name', col.attname, 'not_null', attnotnull,
        'set_not_null', format('ALTER TABLE %%I.%%I ALTER %%I SET NOT NULL;', nspname, chosen.relname, col.attname),
        'type', format_type(atttypid, atttypmod),
        'kind', CASE typtype WHEN 'd' THEN 'a domain' WHEN 'e' THEN 'an enum' WHEN 'c' THEN 'a composite'
                             ELSE 'of type ' || format_type(atttypid, NULL) END,
        'generated', CASE WHEN attgenerated = 'v' THEN 'generated when it is read'
                          WHEN attgenerated = 's' AND current_setting('server_version_num')::integer < 180000
                          THEN 'generated, before PostgreSQL 18' END,
        'width', coalesce(avg_width, CASE WHEN typlen > 0 THEN typlen ELSE 24 END)
    ) ORDER BY attnum) AS each
    FROM pg_attribute AS col
    JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_stats ON schemaname = nspname AND tablename = chosen.relname
                      AND pg_stats.attname = col.attname AND inherited = (chosen.relkind = 'p')
    WHERE attrelid = chosen.oid AND attnum > 0 AND NOT attisdropped
) AS them
