-- Silver: one row per version, half-open [sys_start, sys_end), current where sys_end = 'infinity'. What a
-- version needs beside the row, make_versioned adds, with the view of what is true now: dim_customer of
-- dim_customer_hist, fact_rental_current of fact_rental. Names are of the first schema in search_path.

-- Dimensions. PostgreSQL itself refuses two versions of one key that overlap.
CREATE TABLE dim_customer_hist (
    customer_id           integer NOT NULL,
    store_id              integer,
    first_name            text,
    last_name             text,
    email                 text,
    address_id            integer,
    active                boolean,
    create_date           date,
    PRIMARY KEY (customer_id)
);
COMMENT ON TABLE dim_customer_hist IS 'Every version of every customer.';
COMMENT ON COLUMN dim_customer_hist.customer_id IS 'The customer.';
COMMENT ON COLUMN dim_customer_hist.store_id IS 'The customer''s home store.';
COMMENT ON COLUMN dim_customer_hist.first_name IS 'First name.';
COMMENT ON COLUMN dim_customer_hist.last_name IS 'Last name.';
COMMENT ON COLUMN dim_customer_hist.email IS 'E-mail address.';
COMMENT ON COLUMN dim_customer_hist.address_id IS 'The address on file at the source; a move gives a new one.';
COMMENT ON COLUMN dim_customer_hist.active IS 'Whether the account is open (activebool at the source).';
COMMENT ON COLUMN dim_customer_hist.create_date IS 'The day the account was opened.';
CALL meta.make_versioned('dim_customer_hist', 'Customers as they are now.');

CREATE TABLE dim_film_hist (
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
    PRIMARY KEY (film_id)
);
COMMENT ON TABLE dim_film_hist IS 'Every version of every film.';
COMMENT ON COLUMN dim_film_hist.film_id IS 'The film.';
COMMENT ON COLUMN dim_film_hist.title IS 'Title.';
COMMENT ON COLUMN dim_film_hist.description IS 'One sentence about the film.';
COMMENT ON COLUMN dim_film_hist.release_year IS 'Year of release.';
COMMENT ON COLUMN dim_film_hist.language_id IS 'The language of the copy.';
COMMENT ON COLUMN dim_film_hist.original_language_id IS 'The language the film was made in, where it differs.';
COMMENT ON COLUMN dim_film_hist.rental_duration IS 'Days a rental lasts; a copy returned later is late.';
COMMENT ON COLUMN dim_film_hist.rental_rate IS 'Price of a rental, in dollars.';
COMMENT ON COLUMN dim_film_hist.length IS 'Running time in minutes.';
COMMENT ON COLUMN dim_film_hist.replacement_cost IS 'Charge for a lost copy, in dollars.';
COMMENT ON COLUMN dim_film_hist.rating IS 'Motion-picture rating: G, PG, PG-13, R or NC-17.';
COMMENT ON COLUMN dim_film_hist.special_features IS 'What the disc holds besides the film.';
CALL meta.make_versioned('dim_film_hist', 'Films as they are now.');

-- Facts, by month (UTC). WITHOUT OVERLAPS would make inserts many times slower, so tests
-- assert what it would: one current row per key, no overlap.
CREATE TABLE fact_rental (
    rental_id             integer NOT NULL,
    rental_date           timestamptz NOT NULL,
    return_date           timestamptz,
    customer_id           integer,
    inventory_id          integer,
    film_id               integer,
    store_id              integer,
    staff_id              integer,
    PRIMARY KEY (rental_id, rental_date)
) PARTITION BY RANGE (rental_date);
COMMENT ON TABLE fact_rental IS 'Every version of every rental.';
COMMENT ON COLUMN fact_rental.rental_id IS 'The rental.';
COMMENT ON COLUMN fact_rental.rental_date IS 'When the copy was taken out.';
COMMENT ON COLUMN fact_rental.return_date IS 'When it came back; null while it is out.';
COMMENT ON COLUMN fact_rental.customer_id IS 'Who rented it.';
COMMENT ON COLUMN fact_rental.inventory_id IS 'The copy.';
COMMENT ON COLUMN fact_rental.film_id IS 'The copy''s film when this rental first named the copy.';
COMMENT ON COLUMN fact_rental.store_id IS 'The copy''s store when this rental first named the copy; a later move of the copy does not change it.';
COMMENT ON COLUMN fact_rental.staff_id IS 'Who handed it out.';
CALL meta.make_versioned('fact_rental', 'Rentals as they are now.');

CREATE TABLE fact_payment (
    payment_id            integer NOT NULL,
    payment_date          timestamptz NOT NULL,
    amount                numeric(5, 2),
    customer_id           integer,
    rental_id             integer,
    store_id              integer,
    staff_id              integer,
    PRIMARY KEY (payment_id, payment_date)
) PARTITION BY RANGE (payment_date);
COMMENT ON TABLE fact_payment IS 'Every version of every payment.';
COMMENT ON COLUMN fact_payment.payment_id IS 'The payment.';
COMMENT ON COLUMN fact_payment.payment_date IS 'The date it counts for; a payment posted late counts for the earlier day.';
COMMENT ON COLUMN fact_payment.amount IS 'Dollars; a refund is negative.';
COMMENT ON COLUMN fact_payment.customer_id IS 'Who paid.';
COMMENT ON COLUMN fact_payment.rental_id IS 'The rental it pays for.';
COMMENT ON COLUMN fact_payment.store_id IS 'The rental''s store when this payment first named the rental.';
COMMENT ON COLUMN fact_payment.staff_id IS 'Who took it.';
CALL meta.make_versioned('fact_payment', 'Payments as they are now.');

-- Lookups.
CREATE VIEW dim_store AS
SELECT store_id, 'Store ' || store_id AS store_name
FROM (
    SELECT store_id FROM dim_customer
    UNION
    SELECT store_id FROM fact_rental_current
) AS known
WHERE store_id IS NOT NULL;
COMMENT ON VIEW dim_store IS 'Stores that have customers or rentals.';
COMMENT ON COLUMN dim_store.store_id IS 'The store.';
COMMENT ON COLUMN dim_store.store_name IS 'What people call it.';

CREATE VIEW dim_date AS
WITH span AS (
    SELECT min(rental_date AT TIME ZONE 'UTC')::date AS first_day,
           max(rental_date AT TIME ZONE 'UTC')::date AS last_day
    FROM fact_rental_current
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
COMMENT ON VIEW dim_date IS 'Every day (UTC) from the first rental to the last.';
COMMENT ON COLUMN dim_date.date_day IS 'The day.';
COMMENT ON COLUMN dim_date.year IS 'Calendar year.';
COMMENT ON COLUMN dim_date.quarter IS 'Quarter of the year, 1 to 4.';
COMMENT ON COLUMN dim_date.month IS 'Month of the year, 1 to 12.';
COMMENT ON COLUMN dim_date.first_of_month IS 'First day of the month; joins to the marts'' months.';
COMMENT ON COLUMN dim_date.iso_weekday IS 'Day of the week, 1 Monday to 7 Sunday.';
COMMENT ON COLUMN dim_date.is_weekend IS 'Whether it is a Saturday or Sunday.';
