-- Changes at the source that the earlier warehouse captured and merged.
BEGIN;
SELECT replay.begin('2023-01-05 09:00+00');
UPDATE customer SET email = 'ana.núñez@example.org', store_id = 1 WHERE customer_id = 1;
UPDATE customer SET email = NULL WHERE customer_id = 2;
COMMIT;

-- One transaction, one instant: only the last state counts.
BEGIN;
SELECT replay.begin('2023-01-05 10:00+00');
UPDATE customer SET first_name = 'Never' WHERE customer_id = 1;
UPDATE customer SET first_name = 'Ana' WHERE customer_id = 1;
COMMIT;

-- This changes nothing that silver tracks, and opens no version.
BEGIN;
SELECT replay.begin('2023-01-05 11:00+00');
UPDATE customer SET create_date = create_date WHERE customer_id = 3;
COMMIT;

-- A film goes and comes back; another has odd text and an array with a null.
BEGIN;
SELECT replay.begin('2023-01-05 12:00+00');
UPDATE film SET special_features = ARRAY['a,b', NULL, 'c"d', ''] WHERE film_id = 1;
UPDATE film SET rating = NULL, description = E'two\nlines \\ "quoted"' WHERE film_id = 2;
INSERT INTO film (film_id, title, language_id) VALUES (9, 'Twice', 2);
COMMIT;
BEGIN;
SELECT replay.begin('2023-01-05 13:00+00');
DELETE FROM film WHERE film_id = 9;
COMMIT;
BEGIN;
SELECT replay.begin('2023-01-05 14:00+00');
INSERT INTO film (film_id, title, language_id) VALUES (9, 'Twice', 2);
COMMIT;

-- The copy moves before its second rental: each rental keeps the store that it was made in.
BEGIN;
SELECT replay.begin('2023-01-05 15:00+00');
INSERT INTO inventory (inventory_id, film_id, store_id) VALUES (17, 9, 1);
INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
VALUES (11, '2023-01-05 15:00+00', 17, 1, 1);
INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date)
VALUES (11, 1, 1, 11, 4.99, '2023-01-05 15:00+00');
COMMIT;
BEGIN;
SELECT replay.begin('2023-01-05 16:00+00');
UPDATE rental SET return_date = '2023-01-05 16:00+00' WHERE rental_id = 11;
UPDATE inventory SET store_id = 2 WHERE inventory_id = 17;
INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
VALUES (12, '2023-01-05 16:00+00', 17, 2, 2);
COMMIT;

-- The payment moves to the partition of another month.
BEGIN;
SELECT replay.begin('2023-01-05 17:00+00');
UPDATE payment SET payment_date = '2022-12-31 23:00+00', amount = -4.99 WHERE payment_id = 11;
COMMIT;

-- A column that silver does not have.
BEGIN;
SELECT replay.begin('2023-01-05 18:00+00');
ALTER TABLE customer ADD COLUMN note text;
UPDATE customer SET note = 'likes Latin', last_name = 'Núñez' WHERE customer_id = 1;
COMMIT;

-- All payments go, and an hour later all but one come back.
CREATE TEMPORARY TABLE before AS TABLE payment;
BEGIN;
SELECT replay.begin('2023-01-06 09:00+00');
TRUNCATE payment;
COMMIT;
BEGIN;
SELECT replay.begin('2023-01-06 10:00+00');
INSERT INTO payment SELECT * FROM before WHERE payment_id <> 1 ORDER BY payment_id;
COMMIT;
DROP TABLE before;
