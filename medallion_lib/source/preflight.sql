-- What a source needs before it is captured, and what would be lost without: each in a sentence, and what
-- to type that mends it, where statements do; and the table that it is about, if one.
WITH captured AS (
    SELECT format('%%I.%%I', schema, name) AS name, schema, key, bronze_schema, events,
           pg_class.oid AS relation
    FROM json_to_recordset(%(captured)s)
             AS declared (schema text, name text, key text[], bronze_schema text, events text)
    LEFT JOIN pg_namespace ON nspname = schema
    LEFT JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid AND relkind IN ('r', 'p')
),
-- Old rows are logged as each partition says, not as its root does.
leaf AS (
    SELECT captured.relation AS root, captured.key, relation.oid, relation.oid::regclass::text AS name, relation.relreplident,
           relation.relkind, relation.relpersistence
    FROM captured
    LEFT JOIN LATERAL pg_partition_tree(captured.relation) AS tree ON tree.isleaf
    JOIN pg_class AS relation ON relation.oid = coalesce(tree.relid, captured.relation)
),
identified AS (
    SELECT leaf.root, leaf.oid AS leaf, leaf.name, leaf.relreplident, fit.is_logged IS TRUE OR leaf.relreplident = 'f' AS is_fit, fit.index
    FROM leaf
    LEFT JOIN LATERAL (
        SELECT quote_ident(relname) AS index,
               CASE leaf.relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident END AS is_logged
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        CROSS JOIN LATERAL (
            -- Columns that an index only includes come after those of its key.
            SELECT array_agg(attname::text) AS columns, bool_and(attnotnull) AS are_not_null
            FROM pg_attribute
            WHERE attrelid = leaf.oid AND attnum = ANY (indkey[0:indnkeyatts - 1])
        ) AS of
        WHERE indrelid = leaf.oid AND indisunique AND indimmediate AND indisvalid AND are_not_null
          AND indpred IS NULL AND indexprs IS NULL AND key <@ columns AND key <> '{}'
        ORDER BY is_logged DESC NULLS LAST, indisprimary DESC, relname
        LIMIT 1
    ) AS fit ON true
    WHERE relkind <> 'f'
),
-- On Amazon RDS no role has REPLICATION; a membership is in its place.
role AS (
    SELECT role.rolname, hosted.oid IS NOT NULL AS is_hosted,
           role.rolreplication OR role.rolsuper OR pg_has_role(hosted.oid, 'MEMBER') IS TRUE AS reads_log
    FROM pg_roles AS role
    LEFT JOIN pg_roles AS hosted ON hosted.rolname = 'rds_replication'
    WHERE role.rolname = current_user
)
SELECT format('Its wal_level is %%s; capture needs logical. ', current_setting('wal_level'))
       || CASE WHEN is_hosted THEN 'Set rds.logical_replication to 1 in its parameter group, and restart it.' ELSE 'As a superuser:' END,
       CASE WHEN NOT is_hosted THEN 'ALTER SYSTEM SET wal_level = ''logical'';  -- then restart the server' END, NULL::oid
FROM role WHERE current_setting('wal_level') <> 'logical'
UNION ALL
SELECT 'It is a standby, which takes no marker messages. Name its primary.', NULL, NULL
WHERE pg_is_in_recovery()
UNION ALL
SELECT 'Its encoding is SQL_ASCII, so that its texts need not be UTF-8. Move it to a database in UTF8.', NULL, NULL
WHERE current_setting('server_encoding') = 'SQL_ASCII'
UNION ALL
SELECT format('Role %%s may not read the log. As a superuser:', rolname),
       format(CASE WHEN is_hosted THEN 'GRANT rds_replication TO %%I;' ELSE 'ALTER ROLE %%I REPLICATION;' END, rolname), NULL
FROM role WHERE NOT reads_log
UNION ALL
SELECT format('The server has no room for a slot: all replication slots are in use%%s. As a superuser:',
              '; nobody reads ' || string_agg(slot_name, ', ' ORDER BY slot_name) FILTER (WHERE NOT active)),
       format('ALTER SYSTEM SET max_replication_slots = %%s;  -- then restart the server', greatest(40, 2 * count(*))), NULL
FROM pg_replication_slots
HAVING count(*) >= current_setting('max_replication_slots')::integer
   AND count(*) FILTER (WHERE slot_name = %(slot)s) = 0
UNION ALL
SELECT 'The server has no room for one more reader of its log: as many as its max_wal_senders read it. As a superuser:',
       format('ALTER SYSTEM SET max_wal_senders = %%s;  -- then restart the server', greatest(40, 2 * count(*))), NULL
FROM pg_stat_replication
HAVING count(*) >= current_setting('max_wal_senders')::integer
UNION ALL
SELECT format('It has no table %%s. Create it, or declare your tables without it.', name), NULL, relation
FROM captured WHERE relation IS NULL
UNION ALL
SELECT format('Changes of %%s would land in one table, %%I.%%I. Declare a bronze_schema '
              'of its own for each.',
              string_agg(name, ' and of '), bronze_schema, events), NULL, NULL
FROM captured GROUP BY bronze_schema, events HAVING count(*) > 1
UNION ALL
SELECT format('The name %%s is too long to capture: 56 bytes at most.', name), NULL, relation
FROM captured WHERE octet_length(events) > 63
UNION ALL
SELECT format('Role %%s may not read %%s. As its owner:', current_user, name),
       format('GRANT SELECT ON %%s TO %%I;', name, current_user), relation
FROM captured WHERE NOT has_table_privilege(relation, 'SELECT')
UNION ALL
SELECT format('Role %%s may not use schema %%s. As its owner:', current_user, schema),
       format('GRANT USAGE ON SCHEMA %%I TO %%I;', schema, current_user), relation
FROM captured WHERE relation IS NOT NULL AND NOT has_schema_privilege(schema, 'USAGE')
UNION ALL
SELECT format('Row security hides rows of %%s from role %%s. As a superuser:', name, current_user),
       format('ALTER ROLE %%I BYPASSRLS;', current_user), relation
FROM captured WHERE row_security_active(relation)
UNION ALL
SELECT format('Table %%s has tables that inherit from it, whose rows the log has under other names. '
              'Make them partitions, or capture them by themselves.', name), NULL, relation
FROM captured
JOIN pg_class ON pg_class.oid = relation AND relkind <> 'p'
WHERE EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation)
UNION ALL
SELECT format('Table %%s is a partition of %%s. Declare that in its place.',
              name, pg_partition_root(relation)::regclass), NULL, relation
FROM captured JOIN pg_class ON pg_class.oid = relation AND relispartition
UNION ALL
SELECT format('The log has nothing of %%s, which is unlogged. As its owner:', name),
       format('ALTER TABLE %%s SET LOGGED;', name), root
FROM leaf WHERE relpersistence = 'u'
UNION ALL
SELECT format('The log has nothing of %%s, which is a foreign table. Detach it, or capture where it comes from.', name), NULL, root
FROM leaf WHERE relkind = 'f'
UNION ALL
SELECT format('The log has nothing of column %%I of %%s, which is generated, and its key as declared has it. '
              'Declare another key.', attname, name), NULL, relation
FROM captured
JOIN pg_attribute ON attrelid = relation AND attname::text = ANY (key)
WHERE attgenerated = 'v'
   OR attgenerated = 's' AND current_setting('server_version_num')::integer < 180000
UNION ALL
-- Published, such a table takes no UPDATE and no DELETE any more.
SELECT format('%%s logs old rows whole, but the log can''t have its column %%I, which is virtual, so that its own '
              'changes would fail. %%s', name, attname,
              CASE WHEN index IS NULL THEN 'Make the column STORED, or leave the table out.' ELSE 'As its owner:' END),
       format('ALTER TABLE %%s REPLICA IDENTITY USING INDEX ', name) || index || ';', root
FROM identified
JOIN pg_attribute ON attrelid = leaf AND attgenerated = 'v' AND NOT attisdropped
WHERE relreplident = 'f'
UNION ALL
SELECT format('It would not log which row of %%s a change is of, and its own changes would fail. As its owner:', name),
       format('ALTER TABLE %%s REPLICA IDENTITY %%s;', name, coalesce('USING INDEX ' || index, 'FULL')), root
FROM identified WHERE NOT is_fit
UNION ALL
-- By less than what is unique there, two rows would be one here. Where a key is DEFERRABLE they may be,
-- within a transaction. Of a table with no key at all, who declares it says what is unique.
SELECT CASE WHEN bool_or(is_within)
            THEN format('Within a transaction, several rows of %%s may have the same (%%s): its key is DEFERRABLE. '
                        'As its owner:', name, declared)
            ELSE format('Several rows of %%s may have the same (%%s), its key as declared. '
                        'Declare what is unique: %%s', name, declared, string_agg(index.columns, ' or ' ORDER BY index.columns)) END,
       'CREATE UNIQUE INDEX ON ' || name || ' (' || max(within) FILTER (WHERE is_within) || ');', relation
FROM (SELECT *, array_to_string(key, ', ') AS declared FROM captured WHERE key <> '{}') AS captured
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
GROUP BY name, declared, relation
HAVING NOT bool_or(is_within AND indimmediate)
