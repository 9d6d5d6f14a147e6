-- The look-ups of lookups.sql for all rows at once, as joins: for an engine, which reads all of bronze.
-- What is sorted is what the rows that are being merged ask for, whether those are rentals or payments. A row
-- from before what `prune` cut off says itself what was found then.

-- Each pair of a rental and an item, with the item's film and store at the first event with both.
CREATE VIEW bronze.items_of_rentals AS
WITH named AS (
    SELECT (full_row ->> 'rental_id')::integer AS rental_id,
           (full_row ->> 'inventory_id')::integer AS inventory_id, lsn, seq,
           (full_row ->> 'looked up')::boolean AS is_known,
           (full_row ->> 'looked up film_id')::integer AS film_id,
           (full_row ->> 'looked up store_id')::integer AS store_id,
           row_number() OVER (
               PARTITION BY full_row ->> 'rental_id', full_row ->> 'inventory_id'
               ORDER BY lsn, seq) AS place
    FROM bronze.br_rental_cdc
    WHERE op <> 'T' AND full_row ->> 'rental_id' IN (SELECT full_row ->> 'rental_id' FROM "this merge".changes)
),
-- What is said of an item holds until more is said of it.
stock AS (
    SELECT (full_row ->> 'inventory_id')::integer AS inventory_id,
           (full_row ->> 'film_id')::integer AS film_id,
           (full_row ->> 'store_id')::integer AS store_id,
           op, lsn, seq, lead(lsn) OVER by_position AS next_lsn, lead(seq) OVER by_position AS next_seq
    FROM bronze.br_inventory_cdc
    WHERE op <> 'T'
    WINDOW by_position AS (PARTITION BY full_row ->> 'inventory_id' ORDER BY lsn, seq)
),
found AS (
    SELECT named.rental_id, named.inventory_id, named.lsn, named.seq, stock.film_id, stock.store_id,
           stock.lsn AS stock_lsn, stock.seq AS stock_seq
    FROM named
    JOIN stock ON stock.inventory_id = named.inventory_id
              AND (stock.lsn, stock.seq) <= (named.lsn, named.seq)
              AND (stock.next_lsn IS NULL OR (stock.next_lsn, stock.next_seq) > (named.lsn, named.seq))
    WHERE named.place = 1 AND NOT named.is_known AND stock.op <> 'D'
)
SELECT rental_id, inventory_id, film_id, store_id
FROM found
WHERE NOT EXISTS (
    SELECT 1
    FROM bronze.br_inventory_cdc AS emptied
    WHERE emptied.op = 'T'
      AND (emptied.lsn, emptied.seq) > (found.stock_lsn, found.stock_seq)
      AND (emptied.lsn, emptied.seq) <= (found.lsn, found.seq)
)
UNION ALL
SELECT rental_id, inventory_id, film_id, store_id
FROM named
WHERE place = 1 AND is_known;

-- Each pair of a payment and a rental, with the rental's store at the first event with both.
CREATE VIEW bronze.stores_of_payments AS
WITH named AS (
    SELECT (full_row ->> 'payment_id')::integer AS payment_id,
           (full_row ->> 'rental_id')::integer AS rental_id, lsn, seq,
           (full_row ->> 'looked up')::boolean AS is_known,
           (full_row ->> 'looked up store_id')::integer AS store_id,
           row_number() OVER (
               PARTITION BY full_row ->> 'payment_id', full_row ->> 'rental_id'
               ORDER BY lsn, seq) AS place
    FROM bronze.br_payment_cdc
    WHERE op <> 'T' AND full_row ->> 'payment_id' IN (SELECT full_row ->> 'payment_id' FROM "this merge".changes)
),
rented AS (
    SELECT (full_row ->> 'rental_id')::integer AS rental_id,
           (full_row ->> 'inventory_id')::integer AS inventory_id,
           op, lsn, seq, lead(lsn) OVER by_position AS next_lsn, lead(seq) OVER by_position AS next_seq
    FROM bronze.br_rental_cdc
    WHERE op <> 'T' AND full_row ->> 'rental_id' IN (SELECT full_row ->> 'rental_id' FROM "this merge".changes)
    WINDOW by_position AS (PARTITION BY full_row ->> 'rental_id' ORDER BY lsn, seq)
),
found AS (
    SELECT named.payment_id, named.rental_id, named.lsn, named.seq, rented.inventory_id,
           rented.lsn AS rented_lsn, rented.seq AS rented_seq
    FROM named
    JOIN rented ON rented.rental_id = named.rental_id
               AND (rented.lsn, rented.seq) <= (named.lsn, named.seq)
               AND (rented.next_lsn IS NULL OR (rented.next_lsn, rented.next_seq) > (named.lsn, named.seq))
    WHERE named.place = 1 AND NOT named.is_known AND rented.op <> 'D'
),
paid AS (
    SELECT payment_id, rental_id, inventory_id
    FROM found
    WHERE NOT EXISTS (
        SELECT 1
        FROM bronze.br_rental_cdc AS emptied
        WHERE emptied.op = 'T'
          AND (emptied.lsn, emptied.seq) > (found.rented_lsn, found.rented_seq)
          AND (emptied.lsn, emptied.seq) <= (found.lsn, found.seq)
    )
)
SELECT paid.payment_id, paid.rental_id, item.store_id
FROM paid
JOIN bronze.items_of_rentals AS item
  ON item.rental_id = paid.rental_id AND item.inventory_id = paid.inventory_id
UNION ALL
SELECT payment_id, rental_id, store_id
FROM named
WHERE place = 1 AND is_known;
