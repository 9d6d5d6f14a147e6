-- The prepared years whose names begin so: of the same tables.
SELECT datname FROM pg_database WHERE starts_with(datname, %s)
