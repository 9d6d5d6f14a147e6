-- Plain changes of the captured tables: a first transaction of 5,600 base rows, then as many
-- transactions of 500 changes as are called for. As a replica, so that the source's triggers and
-- foreign keys cost no time here.
DO $$
BEGIN
    PERFORM set_config('session_replication_role', 'replica', false),
            set_config('synchronous_commit', 'off', false);
    INSERT INTO film (film_id, title, description, language_id, fulltext)
    SELECT n, 'Film ' || n, 'A tale of ' || n || ' and what came of it.', 1, ''
    FROM generate_series(1, 1000) AS n;
    INSERT INTO inventory (inventory_id, film_id, store_id)
    SELECT n, 1 + n % 1000, 1 + n % 7 FROM generate_series(1, 4000) AS n;
    INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id, active)
    SELECT n, 1 + n % 7, 'First' || n, 'Last' || n, 'someone.' || n || '@example.org', n, 1
    FROM generate_series(1, 600) AS n;
END $$;

CREATE PROCEDURE bench_changes(first integer, upto integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR block IN first .. upto - 1 LOOP
        INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
        SELECT n, '2023-01-01 UTC'::timestamptz + n * interval '5 minutes',
               1 + n % 4000, 1 + n % 600, 1 + n % 14
        FROM generate_series(block * 150 + 1, block * 150 + 150) AS n;
        INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date)
        SELECT n, 1 + n % 600, 1 + n % 14, n, 0.99 + n % 5,
               '2023-01-01 UTC'::timestamptz + n * interval '5 minutes'
        FROM generate_series(block * 150 + 1, block * 150 + 150) AS n;
        UPDATE rental SET return_date = rental_date + interval '3 days'
        WHERE rental_id BETWEEN block * 150 + 1 AND block * 150 + 100;
        UPDATE customer SET email = 'someone.' || customer_id || '.' || block || '@example.org'
        WHERE customer_id % 12 = block % 12;
        UPDATE inventory SET store_id = 1 + (store_id + 1) % 7
        WHERE inventory_id BETWEEN block % 160 * 25 + 1 AND block % 160 * 25 + 25;
        DELETE FROM payment
        WHERE payment_id BETWEEN block * 150 + 1 AND block * 150 + 25
          AND payment_date >= '2023-01-01 UTC'::timestamptz + block * interval '750 minutes';
        COMMIT;
    END LOOP;
END $$;
