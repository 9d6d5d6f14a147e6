-- Silver: one row per version, half-open [sys_start, sys_end), current where sys_end = 'infinity'.

-- Dimensions. PostgreSQL itself refuses two versions of one key that overlap.
CREATE TABLE silver.dim_customer_hist (
    customer_id           integer NOT NULL,
    store_id              integer,
    first_name            text,
    last_name             text,
    email                 text,
    address_id            integer,
    active                boolean,
    create_date           date,
    row_hash              bigint NOT NULL,
    sys_start             timestamptz NOT NULL,
    sys_end               timestamptz NOT NULL DEFAULT 'infinity',
    sys_period            tstzrange GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED,
    PRIMARY KEY (customer_id, sys_period WITHOUT OVERLAPS)
);
CREATE UNIQUE INDEX ON silver.dim_customer_hist (customer_id) WHERE sys_end = 'infinity';
COMMENT ON TABLE silver.dim_customer_hist IS 'Every version of every customer.';
COMMENT ON COLUMN silver.dim_customer_hist.customer_id IS 'The customer.';
COMMENT ON COLUMN silver.dim_customer_hist.store_id IS 'The customer''s home store.';
COMMENT ON COLUMN silver.dim_customer_hist.first_name IS 'First name.';
COMMENT ON COLUMN silver.dim_customer_hist.last_name IS 'Last name.';
COMMENT ON COLUMN silver.dim_customer_hist.email IS 'E-mail address.';
COMMENT ON COLUMN silver.dim_customer_hist.address_id IS 'The address on file at the source; a move gives a new one.';
COMMENT ON COLUMN silver.dim_customer_hist.active IS 'Whether the account is open (activebool at the source).';
COMMENT ON COLUMN silver.dim_customer_hist.create_date IS 'The day the account was opened.';

CREATE TABLE silver.dim_film_hist (
    film_id               integer NOT NULL,
    title                 text,
    description           text,
    release_year          integer,
    language_id           integer,
    original_language_id  integer,
    rental_duration       smallint,
    rental_rate           numeric(4, 2),
    length                smallint,
    replacement_cost      numeric(5, 2),
    rating                text,
    special_features      text[],
    row_hash              bigint NOT NULL,
    sys_start             timestamptz NOT NULL,
    sys_end               timestamptz NOT NULL DEFAULT 'infinity',
    sys_period            tstzrange GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED,
    PRIMARY KEY (film_id, sys_period WITHOUT OVERLAPS)
);
CREATE UNIQUE INDEX ON silver.dim_film_hist (film_id) WHERE sys_end = 'infinity';
COMMENT ON TABLE silver.dim_film_hist IS 'Every version of every film.';
COMMENT ON COLUMN silver.dim_film_hist.film_id IS 'The film.';
COMMENT ON COLUMN silver.dim_film_hist.title IS 'Title.';
COMMENT ON COLUMN silver.dim_film_hist.description IS 'One sentence about the film.';
COMMENT ON COLUMN silver.dim_film_hist.release_year IS 'Year of release.';
COMMENT ON COLUMN silver.dim_film_hist.language_id IS 'The language of the copy.';
COMMENT ON COLUMN silver.dim_film_hist.original_language_id IS 'The language the film was made in, where it differs.';
COMMENT ON COLUMN silver.dim_film_hist.rental_duration IS 'Days a rental lasts; a copy returned later is late.';
COMMENT ON COLUMN silver.dim_film_hist.rental_rate IS 'Price of a rental, in dollars.';
COMMENT ON COLUMN silver.dim_film_hist.length IS 'Running time in minutes.';
COMMENT ON COLUMN silver.dim_film_hist.replacement_cost IS 'Charge for a lost copy, in dollars.';
COMMENT ON COLUMN silver.dim_film_hist.rating IS 'Motion-picture rating: G, PG, PG-13, R or NC-17.';
COMMENT ON COLUMN silver.dim_film_hist.special_features IS 'What the disc holds besides the film.';

-- Facts, by month (UTC). WITHOUT OVERLAPS would make inserts many times slower, so tests
-- assert what it would: one current row per key, no overlap.
CREATE TABLE silver.fact_rental (
    rental_id             integer NOT NULL,
    rental_date           timestamptz NOT NULL,
    return_date           timestamptz,
    customer_id           integer,
    inventory_id          integer,
    film_id               integer,
    store_id              integer,
    staff_id              integer,
    row_hash              bigint NOT NULL,
    sys_start             timestamptz NOT NULL,
    sys_end               timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (rental_id, rental_date, sys_end),
    CHECK (sys_start < sys_end)
) PARTITION BY RANGE (rental_date);
CREATE TABLE silver.fact_rental_default PARTITION OF silver.fact_rental DEFAULT WITH (fillfactor = 90);
COMMENT ON TABLE silver.fact_rental IS 'Every version of every rental.';
COMMENT ON TABLE silver.fact_rental_default IS 'Rentals with a date outside 2000 to 2099.';
COMMENT ON COLUMN silver.fact_rental.rental_id IS 'The rental.';
COMMENT ON COLUMN silver.fact_rental.rental_date IS 'When the copy was taken out.';
COMMENT ON COLUMN silver.fact_rental.return_date IS 'When it came back; null while it is out.';
COMMENT ON COLUMN silver.fact_rental.customer_id IS 'Who rented it.';
COMMENT ON COLUMN silver.fact_rental.inventory_id IS 'The copy.';
COMMENT ON COLUMN silver.fact_rental.film_id IS 'The copy''s film when this rental first named the copy.';
COMMENT ON COLUMN silver.fact_rental.store_id IS 'The copy''s store when this rental first named the copy; a later move of the copy does not change it.';
COMMENT ON COLUMN silver.fact_rental.staff_id IS 'Who handed it out.';

CREATE TABLE silver.fact_payment (
    payment_id            integer NOT NULL,
    payment_date          timestamptz NOT NULL,
    amount                numeric(5, 2),
    customer_id           integer,
    rental_id             integer,
    store_id              integer,
    staff_id              integer,
    row_hash              bigint NOT NULL,
    sys_start             timestamptz NOT NULL,
    sys_end               timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (payment_id, payment_date, sys_end),
    CHECK (sys_start < sys_end)
) PARTITION BY RANGE (payment_date);
CREATE TABLE silver.fact_payment_default PARTITION OF silver.fact_payment DEFAULT WITH (fillfactor = 90);
COMMENT ON TABLE silver.fact_payment IS 'Every version of every payment.';
COMMENT ON TABLE silver.fact_payment_default IS 'Payments with a date outside 2000 to 2099.';
COMMENT ON COLUMN silver.fact_payment.payment_id IS 'The payment.';
COMMENT ON COLUMN silver.fact_payment.payment_date IS 'The date it counts for; a payment posted late counts for the earlier day.';
COMMENT ON COLUMN silver.fact_payment.amount IS 'Dollars; a refund is negative.';
COMMENT ON COLUMN silver.fact_payment.customer_id IS 'Who paid.';
COMMENT ON COLUMN silver.fact_payment.rental_id IS 'The rental it pays for.';
COMMENT ON COLUMN silver.fact_payment.store_id IS 'The rental''s store when this payment first named the rental.';
COMMENT ON COLUMN silver.fact_payment.staff_id IS 'Who took it.';

DO $$
DECLARE
    hist regclass;
BEGIN
    FOREACH hist IN ARRAY ARRAY['silver.dim_customer_hist', 'silver.dim_film_hist',
                                'silver.fact_rental', 'silver.fact_payment']::regclass[]
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.row_hash IS ''A hash of the source''''s columns; a change that leaves it the same opens no version.''', hist);
        EXECUTE format('COMMENT ON COLUMN %s.sys_start IS ''From when this version held: the commit time of the source transaction that made it.''', hist);
        EXECUTE format('COMMENT ON COLUMN %s.sys_end IS ''Until when it held (excluded): the commit time of the source transaction that replaced or deleted it; infinity for the current version.''', hist);
    END LOOP;
END $$;
COMMENT ON COLUMN silver.dim_customer_hist.sys_period IS 'From sys_start until sys_end; no two versions of one customer overlap.';
COMMENT ON COLUMN silver.dim_film_hist.sys_period IS 'From sys_start until sys_end; no two versions of one film overlap.';

-- Current state: what is true now.
CREATE VIEW silver.dim_customer AS
SELECT customer_id, store_id, first_name, last_name, email, address_id, active, create_date,
       row_hash, sys_start
FROM silver.dim_customer_hist
WHERE sys_end = 'infinity';
COMMENT ON VIEW silver.dim_customer IS 'Customers as they are now.';

CREATE VIEW silver.dim_film AS
SELECT film_id, title, description, release_year, language_id, original_language_id,
       rental_duration, rental_rate, length, replacement_cost, rating, special_features,
       row_hash, sys_start
FROM silver.dim_film_hist
WHERE sys_end = 'infinity';
COMMENT ON VIEW silver.dim_film IS 'Films as they are now.';

CREATE VIEW silver.fact_rental_current AS
SELECT rental_id, rental_date, return_date, customer_id, inventory_id, film_id, store_id, staff_id,
       row_hash, sys_start
FROM silver.fact_rental
WHERE sys_end = 'infinity';
COMMENT ON VIEW silver.fact_rental_current IS 'Rentals as they are now.';

CREATE VIEW silver.fact_payment_current AS
SELECT payment_id, payment_date, amount, customer_id, rental_id, store_id, staff_id,
       row_hash, sys_start
FROM silver.fact_payment
WHERE sys_end = 'infinity';
COMMENT ON VIEW silver.fact_payment_current IS 'Payments as they are now.';

-- A current-state view's columns, and a partition's, mean what the table's mean.
DO $$
DECLARE
    pair record;
BEGIN
    FOR pair IN
        SELECT v.view, a.attname, col_description(v.hist, h.attnum) AS meaning
        FROM (VALUES ('silver.dim_customer'::regclass, 'silver.dim_customer_hist'::regclass),
                     ('silver.dim_film', 'silver.dim_film_hist'),
                     ('silver.fact_rental_current', 'silver.fact_rental'),
                     ('silver.fact_payment_current', 'silver.fact_payment'),
                     ('silver.fact_rental_default', 'silver.fact_rental'),
                     ('silver.fact_payment_default', 'silver.fact_payment')) AS v (view, hist)
        JOIN pg_attribute AS a ON a.attrelid = v.view AND a.attnum > 0
        JOIN pg_attribute AS h ON h.attrelid = v.hist AND h.attname = a.attname
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', pair.view, pair.attname, pair.meaning);
    END LOOP;
END $$;

-- Lookups.
CREATE VIEW silver.dim_store AS
SELECT store_id, 'Store ' || store_id AS store_name
FROM (
    SELECT store_id FROM silver.dim_customer
    UNION
    SELECT store_id FROM silver.fact_rental_current
) AS known
WHERE store_id IS NOT NULL;
COMMENT ON VIEW silver.dim_store IS 'Stores that have customers or rentals.';
COMMENT ON COLUMN silver.dim_store.store_id IS 'The store.';
COMMENT ON COLUMN silver.dim_store.store_name IS 'What people call it.';

CREATE VIEW silver.dim_date AS
WITH span AS (
    SELECT min(rental_date AT TIME ZONE 'UTC')::date AS first_day,
           max(rental_date AT TIME ZONE 'UTC')::date AS last_day
    FROM silver.fact_rental_current
    WHERE isfinite(rental_date)
)
SELECT day::date AS date_day,
       extract(year FROM day)::integer AS year,
       extract(quarter FROM day)::integer AS quarter,
       extract(month FROM day)::integer AS month,
       date_trunc('month', day)::date AS first_of_month,
       extract(isodow FROM day)::integer AS iso_weekday,
       extract(isodow FROM day) IN (6, 7) AS is_weekend
FROM span, generate_series(first_day::timestamp, last_day, interval '1 day') AS day;
COMMENT ON VIEW silver.dim_date IS 'Every day (UTC) from the first rental to the last.';
COMMENT ON COLUMN silver.dim_date.date_day IS 'The day.';
COMMENT ON COLUMN silver.dim_date.year IS 'Calendar year.';
COMMENT ON COLUMN silver.dim_date.quarter IS 'Quarter of the year, 1 to 4.';
COMMENT ON COLUMN silver.dim_date.month IS 'Month of the year, 1 to 12.';
COMMENT ON COLUMN silver.dim_date.first_of_month IS 'First day of the month; joins to the marts'' months.';
COMMENT ON COLUMN silver.dim_date.iso_weekday IS 'Day of the week, 1 Monday to 7 Sunday.';
COMMENT ON COLUMN silver.dim_date.is_weekend IS 'Whether it is a Saturday or Sunday.';
