-- Changes of Pagila's captured tables, each of some rows: `ids` are random keys, of which some are
-- there, or numbers to make new rows from; `n` is a random number. The heading says how they land.

-- customer: I
INSERT INTO customer (store_id, first_name, last_name, email, address_id, active)
SELECT 1 + id %% 2, 'First' || id, E'O''Last \\ "' || id, nullif('new.' || %(n)s, 'new.7'),
       1 + id %% 600, 1
FROM unnest(%(ids)s) AS id
RETURNING customer_id

-- customer: U
UPDATE customer SET email = 'someone.' || %(n)s || '@example.org', activebool = %(n)s %% 3 > 0
WHERE customer_id = ANY (%(ids)s)

-- customer: D
DELETE FROM customer
WHERE customer_id = ANY (%(ids)s)
  AND NOT EXISTS (SELECT FROM rental WHERE rental.customer_id = customer.customer_id)
  AND NOT EXISTS (SELECT FROM payment WHERE payment.customer_id = customer.customer_id)

-- film: I
INSERT INTO film (title, description, language_id, rental_rate, special_features)
SELECT 'Film ' || id, repeat('A tale of ' || id || '. ', 1 + %(n)s %% 40), 1, %(n)s %% 500 * 0.01,
       ARRAY['Trailers', 'A "quote", and \ more']
FROM unnest(%(ids)s) AS id
RETURNING film_id

-- film: U
UPDATE film SET rental_rate = %(n)s %% 900 * 0.01, rental_duration = 1 + %(n)s %% 7
WHERE film_id = ANY (%(ids)s)

-- film: D
DELETE FROM film
WHERE film_id = ANY (%(ids)s)
  AND NOT EXISTS (SELECT FROM inventory WHERE inventory.film_id = film.film_id)
  AND NOT EXISTS (SELECT FROM film_actor WHERE film_actor.film_id = film.film_id)
  AND NOT EXISTS (SELECT FROM film_category WHERE film_category.film_id = film.film_id)

-- inventory: I
INSERT INTO inventory (film_id, store_id)
SELECT 1 + id %% 1000, 1 + %(n)s %% 2 FROM unnest(%(ids)s) AS id
RETURNING inventory_id

-- inventory: U
UPDATE inventory SET store_id = 3 - store_id
WHERE inventory_id = ANY (%(ids)s) AND store_id < 3

-- inventory: D
DELETE FROM inventory
WHERE inventory_id = ANY (%(ids)s)
  AND NOT EXISTS (SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id)

-- rental: I
INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
SELECT '2022-08-01 UTC'::timestamptz + (%(n)s + id) * interval '7 minutes',
       1 + id %% 4500, 1 + id %% 599, 1 + id %% 2
FROM unnest(%(ids)s) AS id
RETURNING rental_id

-- rental: U
UPDATE rental SET return_date = nullif(rental_date + %(n)s %% 9 * interval '1 day', rental_date)
WHERE rental_id = ANY (%(ids)s)

-- rental: D
DELETE FROM rental
WHERE rental_id = ANY (%(ids)s)
  AND NOT EXISTS (SELECT FROM payment WHERE payment.rental_id = rental.rental_id)

-- payment: I
INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
SELECT 1 + id %% 599, 1 + id %% 2, rental_id, %(n)s %% 1200 * 0.01 - 1,
       '2022-01-01 UTC'::timestamptz + %(n)s %% 36 * interval '1 month' + id * interval '1 second'
FROM unnest(%(ids)s) AS id
JOIN rental ON rental_id = id
RETURNING payment_id

-- payment: U
UPDATE payment SET amount = %(n)s %% 1200 * 0.01 - 1
WHERE payment_id = ANY (%(ids)s)

-- payment: D
DELETE FROM payment
WHERE payment_id = ANY (%(ids)s)

-- payment: DI
UPDATE payment SET payment_date = payment_date + %(n)s %% 3 * interval '1 month' + interval '1 hour'
WHERE payment_id = ANY (%(ids)s)
