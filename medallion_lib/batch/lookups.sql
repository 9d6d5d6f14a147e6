-- What a fact takes from other tables, fixed at the first extract that named them together: the
-- same answers as bronze's functions of these names give from events. Where that extract lacked the
-- file that would say, the next one does.

CREATE OR REPLACE FUNCTION bronze_batch.item_of_rental(rental integer, item integer)
RETURNS TABLE (film_id integer, store_id integer) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT stock.film_id::integer, stock.store_id::integer
    FROM (
        SELECT min(br_batch_id) AS batch_id
        FROM bronze_batch.br_rental_batch
        WHERE rental_id = rental::text AND inventory_id = item::text
    ) AS first
    JOIN bronze_batch.br_inventory_batch AS stock
      ON stock.inventory_id = item::text
     AND (stock.br_is_current OR stock.br_ended_batch_id > first.batch_id)
    ORDER BY stock.br_batch_id
    LIMIT 1;
END;

CREATE OR REPLACE FUNCTION bronze_batch.store_of_payment(payment integer, rental integer)
RETURNS TABLE (store_id integer) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT item.store_id
    FROM (
        SELECT min(br_batch_id) AS batch_id
        FROM bronze_batch.br_payment_batch
        WHERE payment_id = payment::text AND rental_id = rental::text
    ) AS first
    CROSS JOIN LATERAL (
        SELECT inventory_id
        FROM bronze_batch.br_rental_batch
        WHERE rental_id = rental::text
          AND (br_is_current OR br_ended_batch_id > first.batch_id)
        ORDER BY br_batch_id
        LIMIT 1
    ) AS rented
    CROSS JOIN LATERAL bronze_batch.item_of_rental(rental, rented.inventory_id::integer) AS item;
END;

COMMENT ON FUNCTION bronze_batch.item_of_rental IS 'Film and store of a rental''s item in the extract that first had the rental with it.';
COMMENT ON FUNCTION bronze_batch.store_of_payment IS 'Store of a payment''s rental in the extract that first had the payment with it.';
