-- The horizons of these schemas' tables, taken out of meta, where they stand by the tables' numbers.
DELETE FROM meta.horizon
USING pg_class, pg_namespace
WHERE pg_class.oid = relation AND pg_namespace.oid = relnamespace AND nspname = ANY (%(schemas)s)
RETURNING format('%%I.%%I', nspname, relname), since
