-- Changes at the source that the earlier warehouse captured and did not merge.
BEGIN;
SELECT replay.begin('2023-01-07 09:00+00');
UPDATE customer SET email = 'ana@example.org' WHERE customer_id = 1;
UPDATE customer SET activebool = false WHERE customer_id = 2;
DELETE FROM payment WHERE payment_id = 2;
COMMIT;

-- February is a month that silver has no partition for yet; 1999 never gets one.
BEGIN;
SELECT replay.begin('2023-02-01 09:00+00');
INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
VALUES (13, '2023-02-01 09:00+00', 17, 1, 2), (14, '1999-12-31 12:00+00', 17, 1, 2);
INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date)
VALUES (12, 1, 2, 13, 0.99, '2023-02-01 09:00+00');
COMMIT;

-- Two versions of a film, of which the first is over when both are merged.
BEGIN;
SELECT replay.begin('2023-02-02 09:00+00');
UPDATE film SET rental_rate = 0.99 WHERE film_id = 1;
COMMIT;
BEGIN;
SELECT replay.begin('2023-02-02 10:00+00');
UPDATE film SET rental_rate = 4.99, title = 'Grüße 😀' WHERE film_id = 1;
COMMIT;
