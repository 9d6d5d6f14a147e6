-- Of the relations so named: which keep their versions themselves, and which have functions behind
-- FOR SYSTEM_TIME. Without the warehouse's functions there are none.
SELECT
    relation.oid,
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS trigger
        JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
        WHERE trigger.tgrelid = relation.oid AND function.proname = 'versioned_before_row'
    ) AS is_versioned,
    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(key.attname), ', ' ORDER BY key.attnum)
     FROM pg_catalog.pg_constraint AS constraint_
     JOIN pg_catalog.pg_attribute AS key
       ON key.attrelid = relation.oid AND key.attnum = ANY (constraint_.conkey)
     WHERE constraint_.conrelid = relation.oid AND constraint_.contype = 'p'
       AND key.attname <> 'sys_period') AS key
FROM pg_catalog.unnest(%(names)s::text[]) AS given (name)
JOIN pg_catalog.pg_class AS relation ON relation.oid = pg_catalog.to_regclass(given.name)
WHERE EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS trigger WHERE trigger.tgrelid = relation.oid
    UNION ALL
    SELECT FROM pg_catalog.pg_proc AS function WHERE function.prorettype = relation.reltype
)
