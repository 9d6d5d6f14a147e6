-- What a fact takes from other tables, fixed at the first event that named them together.
-- Answered from bronze alone, so that it does not depend on how merges are batched. An event from before
-- what `prune` cut off says itself what was found then, as "looked up".

-- The film and store of a rental's item, at the first event with this rental and this item.
CREATE OR REPLACE FUNCTION bronze.item_of_rental(rental integer, item integer)
RETURNS TABLE (film_id integer, store_id integer) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT (found.item ->> 'film_id')::integer, (found.item ->> 'store_id')::integer
    FROM (
        SELECT lsn, seq, full_row -> 'looked up' AS known
        FROM bronze.br_rental_cdc
        WHERE full_row ->> 'rental_id' = rental::text
          AND full_row ->> 'inventory_id' = item::text
        ORDER BY lsn, seq
        LIMIT 1
    ) AS first
    CROSS JOIN LATERAL (
        SELECT first.known AS item
        WHERE first.known IS NOT NULL
        UNION ALL
        SELECT stock.full_row
        FROM (
            SELECT lsn, seq, op, full_row
            FROM bronze.br_inventory_cdc
            WHERE full_row ->> 'inventory_id' = item_of_rental.item::text
              AND (lsn, seq) <= (first.lsn, first.seq)
            ORDER BY lsn DESC, seq DESC
            LIMIT 1
        ) AS stock
        WHERE first.known IS NULL AND stock.op <> 'D'
          AND NOT EXISTS (
              SELECT FROM bronze.br_inventory_cdc AS emptied
              WHERE emptied.op = 'T'
                AND (emptied.lsn, emptied.seq) > (stock.lsn, stock.seq)
                AND (emptied.lsn, emptied.seq) <= (first.lsn, first.seq)
          )
    ) AS found;
END;

-- The store of a payment's rental, at the first event with this payment and this rental.
CREATE OR REPLACE FUNCTION bronze.store_of_payment(payment integer, rental integer)
RETURNS TABLE (store_id integer) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT found.store_id
    FROM (
        SELECT lsn, seq, full_row -> 'looked up' AS known
        FROM bronze.br_payment_cdc
        WHERE full_row ->> 'payment_id' = payment::text
          AND full_row ->> 'rental_id' = rental::text
        ORDER BY lsn, seq
        LIMIT 1
    ) AS first
    CROSS JOIN LATERAL (
        SELECT (first.known ->> 'store_id')::integer AS store_id
        WHERE first.known IS NOT NULL
        UNION ALL
        SELECT item.store_id
        FROM (
            SELECT lsn, seq, op, full_row
            FROM bronze.br_rental_cdc
            WHERE full_row ->> 'rental_id' = rental::text
              AND (lsn, seq) <= (first.lsn, first.seq)
            ORDER BY lsn DESC, seq DESC
            LIMIT 1
        ) AS rented
        CROSS JOIN LATERAL bronze.item_of_rental(rental, (rented.full_row ->> 'inventory_id')::integer) AS item
        WHERE first.known IS NULL AND rented.op <> 'D'
          AND NOT EXISTS (
              SELECT FROM bronze.br_rental_cdc AS emptied
              WHERE emptied.op = 'T'
                AND (emptied.lsn, emptied.seq) > (rented.lsn, rented.seq)
                AND (emptied.lsn, emptied.seq) <= (first.lsn, first.seq)
          )
    ) AS found;
END;

COMMENT ON FUNCTION bronze.item_of_rental IS 'Film and store of a rental''s item when the rental first named it.';
COMMENT ON FUNCTION bronze.store_of_payment IS 'Store of a payment''s rental when the payment first named it.';
