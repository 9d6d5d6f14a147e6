-- Of the relations so named, those that have triggers, or functions behind FOR SYSTEM_TIME, and which
-- version themselves. Without the warehouse's functions none does.
SELECT
    relation.oid,
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS trigger
        JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
        WHERE trigger.tgrelid = relation.oid AND function.proname LIKE 'versioned\_%%'
    ) AS is_versioned
FROM pg_catalog.unnest(%(names)s::text[]) AS given (name)
JOIN pg_catalog.pg_class AS relation ON relation.oid = pg_catalog.to_regclass(given.name)
WHERE EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS trigger WHERE trigger.tgrelid = relation.oid
    UNION ALL
    SELECT FROM pg_catalog.pg_proc AS function WHERE function.prorettype = relation.reltype
)
