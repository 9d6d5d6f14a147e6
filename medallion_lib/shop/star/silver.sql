-- What the star needs beside silver: a history of each further table, and dbt's schemas.
-- Made only when asked for, and made again by a rebuild.
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

CREATE TABLE silver_star.country_hist (
    country_id            integer NOT NULL,
    country               text
);
CREATE TABLE silver_star.city_hist (
    city_id               integer NOT NULL,
    city                  text,
    country_id            integer
);
CREATE TABLE silver_star.address_hist (
    address_id            integer NOT NULL,
    address               text,
    address2              text,
    district              text,
    city_id               integer,
    postal_code           text,
    phone                 text
);
CREATE TABLE silver_star.language_hist (
    language_id           integer NOT NULL,
    name                  text
);
CREATE TABLE silver_star.category_hist (
    category_id           integer NOT NULL,
    name                  text
);
CREATE TABLE silver_star.actor_hist (
    actor_id              integer NOT NULL,
    first_name            text,
    last_name             text
);
-- A link has two keys at the source; here they are joined into one.
CREATE TABLE silver_star.film_actor_hist (
    film_actor_id         text NOT NULL,
    actor_id              integer,
    film_id               integer
);
CREATE TABLE silver_star.film_category_hist (
    film_category_id      text NOT NULL,
    category_id           integer,
    film_id               integer
);
CREATE TABLE silver_star.store_hist (
    store_id              integer NOT NULL,
    manager_staff_id      integer,
    address_id            integer
);
-- The source's password and picture are nothing a report needs.
CREATE TABLE silver_star.staff_hist (
    staff_id              integer NOT NULL,
    first_name            text,
    last_name             text,
    address_id            integer,
    email                 text,
    store_id              integer,
    active                boolean,
    username              text
);

-- Each gets what makes it a history, as silver's dimensions have it, and a view of its current rows.
DO $$
DECLARE
    hist record;
BEGIN
    FOR hist IN
        SELECT relation.oid::regclass AS table_name, key.attname AS key,
               replace(relation.relname, '_hist', '') AS name,
               string_agg(quote_ident(attribute.attname), ', ' ORDER BY attribute.attnum) AS columns
        FROM pg_class AS relation
        JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum > 0
        JOIN pg_attribute AS key ON key.attrelid = relation.oid AND key.attnum = 1
        WHERE relation.relnamespace = 'silver_star'::regnamespace AND relation.relkind = 'r'
        GROUP BY relation.oid, relation.relname, key.attname
    LOOP
        EXECUTE format(
            'ALTER TABLE %1$s
                 ADD COLUMN row_hash bigint NOT NULL,
                 ADD COLUMN sys_start timestamptz NOT NULL,
                 ADD COLUMN sys_end timestamptz NOT NULL DEFAULT ''infinity'',
                 ADD COLUMN sys_period tstzrange
                     GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED,
                 ADD PRIMARY KEY (%2$I, sys_period WITHOUT OVERLAPS);
             CREATE UNIQUE INDEX ON %1$s (%2$I) WHERE sys_end = ''infinity'';
             COMMENT ON TABLE %1$s IS ''Every version of every row of the source table %3$s.'';
             CREATE VIEW silver_star.%3$I AS
             SELECT %4$s, row_hash, sys_start FROM %1$s WHERE sys_end = ''infinity'';
             COMMENT ON VIEW silver_star.%3$I IS ''The source table %3$s as it is now.''',
            hist.table_name, hist.key, hist.name, hist.columns);
    END LOOP;
END $$;
