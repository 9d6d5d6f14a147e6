-- What the shop has when it opens, in one transaction.
BEGIN;
SELECT replay.begin('2023-01-01 00:00+00');
INSERT INTO country (country) VALUES ('Here');
INSERT INTO city (city, country_id) VALUES ('Town', 1);
INSERT INTO address (address, district, city_id, phone)
SELECT i || ' Street', 'East', 1, '555-' || i FROM generate_series(1, 12) AS i;
INSERT INTO language (name) VALUES ('English'), ('Latin');
INSERT INTO category (name) VALUES ('Drama'), ('Comedy');
INSERT INTO actor (first_name, last_name) VALUES ('Ada', 'Ash'), ('Bob', 'Birch');
INSERT INTO store (manager_staff_id, address_id) VALUES (1, 1), (2, 2);
INSERT INTO staff (first_name, last_name, address_id, store_id, username)
VALUES ('Sam', 'Stone', 1, 1, 'sam'), ('Tess', 'Tile', 2, 2, 'tess');
INSERT INTO customer (store_id, first_name, last_name, email, address_id, create_date, active)
SELECT 1 + i % 2, 'First' || i, 'Last' || i, 'c' || i || '@example.org', i, '2022-12-01', 1
FROM generate_series(1, 10) AS i;
INSERT INTO film (title, description, release_year, language_id, length, rating, special_features)
SELECT 'Film ' || i, 'About ' || i, 1990 + i, 1, 80 + i, 'PG-13', '{Trailers}'
FROM generate_series(1, 8) AS i;
INSERT INTO film_actor (actor_id, film_id) VALUES (1, 1), (2, 1), (1, 2);
INSERT INTO film_category (film_id, category_id) VALUES (1, 1), (2, 2);
INSERT INTO inventory (film_id, store_id)
SELECT 1 + i / 2, 1 + i % 2 FROM generate_series(0, 15) AS i;
COMMIT;

-- Each customer takes out a copy in store 1 or 2 and pays; most bring it back.
BEGIN;
SELECT replay.begin('2023-01-02 09:00+00');
INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
SELECT '2023-01-02 08:00+00'::timestamptz + i * interval '1 minute', i, i, 1 + i % 2
FROM generate_series(1, 10) AS i;
COMMIT;
BEGIN;
SELECT replay.begin('2023-01-03 09:00+00');
INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
SELECT i, 1 + i % 2, i, 1.99 + i, '2023-01-03 09:00+00' FROM generate_series(1, 10) AS i;
UPDATE rental SET return_date = '2023-01-03 09:00+00' WHERE rental_id <= 7;
COMMIT;
