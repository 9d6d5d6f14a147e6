-- The role that notebooks connect as; warehouse.sql says what it may do.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'medallion_notebook') THEN
        CREATE ROLE medallion_notebook;
    END IF;
END $$;
ALTER ROLE medallion_notebook LOGIN PASSWORD %s
