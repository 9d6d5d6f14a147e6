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
    country_id            integer PRIMARY KEY,
    country               text
);
CREATE TABLE silver_star.city_hist (
    city_id               integer PRIMARY KEY,
    city                  text,
    country_id            integer
);
CREATE TABLE silver_star.address_hist (
    address_id            integer PRIMARY KEY,
    address               text,
    address2              text,
    district              text,
    city_id               integer,
    postal_code           text,
    phone                 text
);
CREATE TABLE silver_star.language_hist (
    language_id           integer PRIMARY KEY,
    name                  text
);
CREATE TABLE silver_star.category_hist (
    category_id           integer PRIMARY KEY,
    name                  text
);
CREATE TABLE silver_star.actor_hist (
    actor_id              integer PRIMARY KEY,
    first_name            text,
    last_name             text
);
-- A link has two keys at the source; here they are joined into one.
CREATE TABLE silver_star.film_actor_hist (
    film_actor_id         text PRIMARY KEY,
    actor_id              integer,
    film_id               integer
);
CREATE TABLE silver_star.film_category_hist (
    film_category_id      text PRIMARY KEY,
    category_id           integer,
    film_id               integer
);
CREATE TABLE silver_star.store_hist (
    store_id              integer PRIMARY KEY,
    manager_staff_id      integer,
    address_id            integer
);
-- The source's password and picture are nothing a report needs.
CREATE TABLE silver_star.staff_hist (
    staff_id              integer PRIMARY KEY,
    first_name            text,
    last_name             text,
    address_id            integer,
    email                 text,
    store_id              integer,
    active                boolean,
    username              text
);

COMMENT ON TABLE silver_star.country_hist IS 'Every version of every row of the source table country.';
COMMENT ON TABLE silver_star.city_hist IS 'Every version of every row of the source table city.';
COMMENT ON TABLE silver_star.address_hist IS 'Every version of every row of the source table address.';
COMMENT ON TABLE silver_star.language_hist IS 'Every version of every row of the source table language.';
COMMENT ON TABLE silver_star.category_hist IS 'Every version of every row of the source table category.';
COMMENT ON TABLE silver_star.actor_hist IS 'Every version of every row of the source table actor.';
COMMENT ON TABLE silver_star.film_actor_hist IS 'Every version of every row of the source table film_actor.';
COMMENT ON TABLE silver_star.film_category_hist IS 'Every version of every row of the source table film_category.';
COMMENT ON TABLE silver_star.store_hist IS 'Every version of every row of the source table store.';
COMMENT ON TABLE silver_star.staff_hist IS 'Every version of every row of the source table staff.';

CALL meta.make_versioned('silver_star.country_hist', 'The source table country as it is now.');
CALL meta.make_versioned('silver_star.city_hist', 'The source table city as it is now.');
CALL meta.make_versioned('silver_star.address_hist', 'The source table address as it is now.');
CALL meta.make_versioned('silver_star.language_hist', 'The source table language as it is now.');
CALL meta.make_versioned('silver_star.category_hist', 'The source table category as it is now.');
CALL meta.make_versioned('silver_star.actor_hist', 'The source table actor as it is now.');
CALL meta.make_versioned('silver_star.film_actor_hist', 'The source table film_actor as it is now.');
CALL meta.make_versioned('silver_star.film_category_hist', 'The source table film_category as it is now.');
CALL meta.make_versioned('silver_star.store_hist', 'The source table store as it is now.');
CALL meta.make_versioned('silver_star.staff_hist', 'The source table staff as it is now.');
