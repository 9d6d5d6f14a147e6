-- The schemas that the star needs beside silver: of the further tables' bronze and histories, and dbt's.
CREATE SCHEMA IF NOT EXISTS bronze_star;
CREATE SCHEMA IF NOT EXISTS silver_star;
CREATE SCHEMA IF NOT EXISTS star_staging;
CREATE SCHEMA IF NOT EXISTS star;
COMMENT ON SCHEMA bronze_star IS 'Every change of the further tables that the star needs.';
COMMENT ON SCHEMA silver_star IS 'One row per version of what the star needs beside silver.';
COMMENT ON SCHEMA star_staging IS 'The star''s sources as of one instant; written by dbt.';
COMMENT ON SCHEMA star IS 'The star schema as of one instant; written by dbt.';

-- dbt runs as the notebooks' role, which reads every layer and can alter no history.
GRANT USAGE ON SCHEMA bronze_star, silver_star TO medallion_notebook;
GRANT USAGE, CREATE ON SCHEMA star_staging, star TO medallion_notebook;
ALTER DEFAULT PRIVILEGES IN SCHEMA bronze_star, silver_star
    GRANT SELECT ON TABLES TO medallion_notebook;
