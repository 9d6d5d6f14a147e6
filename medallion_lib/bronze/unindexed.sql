-- A row where a table has no key yet.
SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(%s) AND indisprimary)
