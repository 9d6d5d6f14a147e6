-- What a source needs before it is captured, and what would be lost without; each with its remedy.
WITH captured AS (
    SELECT format('%%I.%%I', schema, name) AS name, name AS bare, schema, key, bronze_schema,
           pg_class.oid AS relation
    FROM json_to_recordset(%(captured)s)
             AS declared (schema text, name text, key text[], bronze_schema text)
    LEFT JOIN pg_namespace ON nspname = schema
    LEFT JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid AND relkind IN ('r', 'p')
),
-- Old rows are logged as each partition says, not as its root does.
leaf AS (
    SELECT captured.key, relation.oid, relation.oid::regclass::text AS name, relation.relreplident,
           relation.relkind, relation.relpersistence
    FROM captured
    LEFT JOIN LATERAL pg_partition_tree(captured.relation) AS tree ON tree.isleaf
    JOIN pg_class AS relation ON relation.oid = coalesce(tree.relid, captured.relation)
),
identified AS (
    SELECT leaf.name,
           leaf.relreplident = 'f' OR EXISTS (
               SELECT FROM pg_index
               WHERE indrelid = leaf.oid AND indimmediate
                 AND CASE leaf.relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident END
                 -- Columns that an index only includes come after those of its key.
                 AND leaf.key <@ ARRAY(
                     SELECT attname::text FROM pg_attribute
                     WHERE attrelid = leaf.oid AND attnum = ANY (indkey[0:indnkeyatts - 1]))
           ) AS is_fit
    FROM leaf
    WHERE relkind <> 'f'
)
SELECT format(E'Its wal_level is %%s; capture needs logical. As a superuser:\n'
              '    ALTER SYSTEM SET wal_level = ''logical'';  -- then restart the server',
              current_setting('wal_level'))
WHERE current_setting('wal_level') <> 'logical'
UNION ALL
SELECT E'It is a standby, which takes no marker messages. Name its primary.'
WHERE pg_is_in_recovery()
UNION ALL
SELECT E'Its encoding is SQL_ASCII, so that its texts need not be UTF-8. Move it to a database in UTF8.'
WHERE current_setting('server_encoding') = 'SQL_ASCII'
UNION ALL
SELECT format(E'Role %%s may not read the log. As a superuser:\n    ALTER ROLE %%1$I REPLICATION;', rolname)
FROM pg_roles WHERE rolname = current_user AND NOT (rolreplication OR rolsuper)
UNION ALL
SELECT format('It has no table %%s. Create it, or declare your tables without it.', name)
FROM captured WHERE relation IS NULL
UNION ALL
SELECT format('Changes of %%s would land in one table, %%I.%%I. Declare a bronze_schema '
              'of its own for each.',
              string_agg(name, ' and of '), bronze_schema, 'br_' || bare || '_cdc')
FROM captured GROUP BY bronze_schema, bare HAVING count(*) > 1
UNION ALL
SELECT format('The name %%s is too long to capture: 56 bytes at most.', name)
FROM captured WHERE octet_length(bare) > 56
UNION ALL
SELECT format(E'Role %%s may not read %%s. As its owner:\n    GRANT SELECT ON %%2$s TO %%1$I;', current_user, name)
FROM captured WHERE NOT has_table_privilege(relation, 'SELECT')
UNION ALL
SELECT DISTINCT format(E'Role %%s may not use schema %%s. As its owner:\n    GRANT USAGE ON SCHEMA %%2$I TO %%1$I;',
                       current_user, schema)
FROM captured WHERE relation IS NOT NULL AND NOT has_schema_privilege(schema, 'USAGE')
UNION ALL
SELECT format(E'Row security hides rows of %%s from role %%s. As a superuser:\n    ALTER ROLE %%2$I BYPASSRLS;',
              name, current_user)
FROM captured WHERE row_security_active(relation)
UNION ALL
SELECT format('Table %%s has tables that inherit from it, whose rows the log has under other names. '
              'Make them partitions, or capture them by themselves.', name)
FROM captured
JOIN pg_class ON pg_class.oid = relation AND relkind <> 'p'
WHERE EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation)
UNION ALL
SELECT format('Table %%s is a partition of %%s. Declare that in its place.',
              name, pg_partition_root(relation)::regclass)
FROM captured JOIN pg_class ON pg_class.oid = relation AND relispartition
UNION ALL
SELECT format(E'The log has nothing of %%s, which is unlogged. As its owner:\n    ALTER TABLE %%1$s SET LOGGED;', name)
FROM leaf WHERE relpersistence = 'u'
UNION ALL
SELECT format('The log has nothing of %%s, which is a foreign table. Detach it, or capture where it comes from.', name)
FROM leaf WHERE relkind = 'f'
UNION ALL
SELECT format(E'It would not log which row of %%s a change is of, and its own changes would fail. As its owner:\n'
              '    ALTER TABLE %%1$s REPLICA IDENTITY FULL;', name)
FROM identified WHERE NOT is_fit
UNION ALL
-- By less than what is unique there, two rows would be one here. Where a key is DEFERRABLE they may be,
-- within a transaction. Of a table with no key at all, who declares it says what is unique.
SELECT CASE WHEN bool_or(is_within)
            THEN format(E'Within a transaction, several rows of %%s may have the same (%%s): its key is DEFERRABLE. '
                        'As its owner:\n    CREATE UNIQUE INDEX ON %%1$s (%%s);', name, declared,
                        max(within) FILTER (WHERE is_within))
            ELSE format('Several rows of %%s may have the same (%%s), its key as declared. '
                        'Declare what is unique: %%s', name, declared, string_agg(index.columns, ' or ' ORDER BY index.columns)) END
FROM (SELECT *, array_to_string(key, ', ') AS declared FROM captured) AS captured
CROSS JOIN LATERAL (
    SELECT '(' || string_agg(attname, ', ' ORDER BY place.number) || ')' AS columns, indimmediate,
           string_agg(quote_ident(attname), ', ' ORDER BY place.number) AS within,
           bool_and(attnotnull AND attname::text = ANY (key)) AS is_within
    FROM pg_index
    CROSS JOIN LATERAL unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY AS place (attnum, number)
    JOIN pg_attribute USING (attnum)
    WHERE indrelid = relation AND attrelid = relation AND indisunique AND indisvalid
      AND indpred IS NULL AND indexprs IS NULL
    GROUP BY indexrelid
) AS index
GROUP BY name, declared
HAVING NOT bool_or(is_within AND indimmediate)
