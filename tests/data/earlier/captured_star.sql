-- Live changes at the source that the earlier warehouse with the star captured and did not merge.
BEGIN;
UPDATE customer SET email = 'ana@example.org' WHERE customer_id = 1;
UPDATE staff SET last_name = 'Slate' WHERE staff_id = 1;
INSERT INTO film_actor (actor_id, film_id) VALUES (2, 3);
COMMIT;

BEGIN;
DELETE FROM film_actor WHERE film_id = 1;
TRUNCATE film_category;
COMMIT;

BEGIN;
INSERT INTO film_category (film_id, category_id) VALUES (1, 2);
UPDATE address SET address2 = 'Rear' WHERE address_id = 2;
COMMIT;
