-- The function that says what a table was at an instant, by the view of its current rows.
SELECT format('%%I.%%I', nspname, relname || '__as_of')
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = to_regclass(meta.current_view(to_regclass(%s)))
