-- The source: a Pagila-shaped video-rental shop, as an application would own it.
-- Its tables agree with Pagila 3.1, so that Pagila's own data loads into them.

CREATE DOMAIN year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);
CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');

-- The time a change counts from: the replay's business time where there is one.
CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('medallion.system_time', true), '')::timestamptz, now());

CREATE FUNCTION last_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_update := public.business_now();
    RETURN NEW;
END $$;

CREATE TABLE country (
    country_id            serial PRIMARY KEY,
    country               text NOT NULL,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE city (
    city_id               serial PRIMARY KEY,
    city                  text NOT NULL,
    country_id            integer NOT NULL REFERENCES country ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE address (
    address_id            serial PRIMARY KEY,
    address               text NOT NULL,
    address2              text,
    district              text NOT NULL,
    city_id               integer NOT NULL REFERENCES city ON UPDATE CASCADE,
    postal_code           text,
    phone                 text NOT NULL,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE language (
    language_id           serial PRIMARY KEY,
    name                  character(20) NOT NULL,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE category (
    category_id           serial PRIMARY KEY,
    name                  text NOT NULL,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE actor (
    actor_id              serial PRIMARY KEY,
    first_name            text NOT NULL,
    last_name             text NOT NULL,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE film (
    film_id               serial PRIMARY KEY,
    title                 text NOT NULL,
    description           text,
    release_year          year,
    language_id           integer NOT NULL REFERENCES language ON UPDATE CASCADE,
    original_language_id  integer REFERENCES language ON UPDATE CASCADE,
    rental_duration       smallint NOT NULL DEFAULT 3,
    rental_rate           numeric(4, 2) NOT NULL DEFAULT 4.99,
    length                smallint,
    replacement_cost      numeric(5, 2) NOT NULL DEFAULT 19.99,
    rating                mpaa_rating DEFAULT 'G',
    last_update           timestamptz NOT NULL DEFAULT business_now(),
    special_features      text[],
    fulltext              tsvector NOT NULL
);
CREATE TRIGGER film_fulltext BEFORE INSERT OR UPDATE ON film FOR EACH ROW
EXECUTE FUNCTION tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');

CREATE TABLE film_actor (
    actor_id              integer NOT NULL REFERENCES actor ON UPDATE CASCADE,
    film_id               integer NOT NULL REFERENCES film ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now(),
    PRIMARY KEY (actor_id, film_id)
);
CREATE TABLE film_category (
    film_id               integer NOT NULL REFERENCES film ON UPDATE CASCADE,
    category_id           integer NOT NULL REFERENCES category ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now(),
    PRIMARY KEY (film_id, category_id)
);
CREATE TABLE store (
    store_id              serial PRIMARY KEY,
    manager_staff_id      integer NOT NULL,
    address_id            integer NOT NULL REFERENCES address ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE TABLE staff (
    staff_id              serial PRIMARY KEY,
    first_name            text NOT NULL,
    last_name             text NOT NULL,
    address_id            integer NOT NULL REFERENCES address ON UPDATE CASCADE,
    email                 text,
    store_id              integer NOT NULL REFERENCES store ON UPDATE CASCADE,
    active                boolean NOT NULL DEFAULT true,
    username              text NOT NULL,
    password              text,
    last_update           timestamptz NOT NULL DEFAULT business_now(),
    picture               bytea
);
-- A store names its manager and a manager names the store, so one of the two waits for COMMIT.
ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff
    ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE customer (
    customer_id           serial PRIMARY KEY,
    store_id              integer NOT NULL REFERENCES store ON UPDATE CASCADE,
    first_name            text NOT NULL,
    last_name             text NOT NULL,
    email                 text,
    address_id            integer NOT NULL REFERENCES address ON UPDATE CASCADE,
    activebool            boolean NOT NULL DEFAULT true,
    create_date           date NOT NULL DEFAULT CURRENT_DATE,
    last_update           timestamptz DEFAULT business_now(),
    active                integer
);
CREATE TABLE inventory (
    inventory_id          serial PRIMARY KEY,
    film_id               integer NOT NULL REFERENCES film ON UPDATE CASCADE,
    store_id              integer NOT NULL REFERENCES store ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now()
);
CREATE INDEX ON inventory (film_id);
CREATE TABLE rental (
    rental_id             serial PRIMARY KEY,
    rental_date           timestamptz NOT NULL,
    inventory_id          integer NOT NULL REFERENCES inventory ON UPDATE CASCADE,
    customer_id           integer NOT NULL REFERENCES customer ON UPDATE CASCADE,
    return_date           timestamptz,
    staff_id              integer NOT NULL REFERENCES staff ON UPDATE CASCADE,
    last_update           timestamptz NOT NULL DEFAULT business_now(),
    UNIQUE (rental_date, inventory_id, customer_id)
);
CREATE INDEX ON rental (inventory_id);
CREATE TABLE payment (
    payment_id            serial,
    customer_id           integer NOT NULL REFERENCES customer ON UPDATE CASCADE,
    staff_id              integer NOT NULL REFERENCES staff ON UPDATE CASCADE,
    rental_id             integer NOT NULL REFERENCES rental ON UPDATE CASCADE,
    amount                numeric(5, 2) NOT NULL,
    payment_date          timestamptz NOT NULL,
    PRIMARY KEY (payment_date, payment_id)
) PARTITION BY RANGE (payment_date);
CREATE INDEX ON payment (rental_id);
CREATE TABLE payment_default PARTITION OF payment DEFAULT;

DO $$
DECLARE
    month timestamptz;
BEGIN
    FOR month IN SELECT generate_series('2022-01-01 UTC'::timestamptz, '2023-12-01 UTC', '1 month')
    LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF payment FOR VALUES FROM (%L) TO (%L)',
            to_char(month, '"payment_p"YYYY_MM'), month, month + interval '1 month'
        );
    END LOOP;
END $$;

-- The replay: where it stands, and whether anybody else has changed the shop since it was made.
CREATE SCHEMA replay;
CREATE TABLE replay.clock (
    played      timestamptz,  -- business time of the last event played; null before the first
    reached     timestamptz,  -- until when all of them were played
    live_since  timestamptz,  -- when the first change without business time was made
    scale       integer       -- the size of the sample year being played
);
INSERT INTO replay.clock DEFAULT VALUES;

CREATE FUNCTION replay.note_live_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE replay.clock SET live_since = clock_timestamp() WHERE live_since IS NULL;
    RETURN NULL;
END $$;

DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format(
            'CREATE TRIGGER note_live_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
            'FOR EACH STATEMENT '
            'WHEN (coalesce(current_setting(''medallion.system_time'', true), '''') = '''') '
            'EXECUTE FUNCTION replay.note_live_change()', relation
        );
        CONTINUE WHEN relation = 'public.payment'::regclass
            OR (SELECT relispartition FROM pg_class WHERE oid = relation);
        EXECUTE format(
            'CREATE TRIGGER last_updated BEFORE UPDATE ON %s '
            'FOR EACH ROW EXECUTE FUNCTION last_updated()', relation
        );
    END LOOP;
END $$;

-- The old row travels in the WAL, so that a delete and an unchanged TOAST value land whole.
-- On a partitioned parent it does not reach the partitions, so each of them says it itself.
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', relation);
    END LOOP;
END $$;
