-- Plays the events of the temporary table `event` that are still to come and earlier than `until`:
-- one transaction each, whose business time travels in the WAL as its first record. Counts them.
CREATE PROCEDURE replay.play(until timestamptz, INOUT played integer) LANGUAGE plpgsql AS $$
DECLARE
    e record;
    price record;
    copy record;
BEGIN
    FOR e IN
        SELECT * FROM event
        WHERE at > (SELECT clock.played FROM replay.clock) AND at < until
        ORDER BY at
    LOOP
        PERFORM replay.begin(e.at);
        CASE e.event
        WHEN 'rent' THEN
            INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
            VALUES (e.rental_id, e.at, e.inventory_id, e.customer_id, e.staff_id);
        WHEN 'return' THEN
            UPDATE rental SET return_date = e.at WHERE rental_id = e.rental_id;
        WHEN 'pay', 'refund' THEN
            INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date)
            VALUES (e.payment_id, e.customer_id, e.staff_id, e.rental_id, e.amount,
                    coalesce(e.payment_date, e.at));
        WHEN 'correct' THEN
            UPDATE payment SET amount = e.amount
            WHERE payment_date = e.payment_date AND payment_id = e.payment_id;
        WHEN 'void' THEN
            DELETE FROM payment
            WHERE payment_date = e.payment_date AND payment_id = e.payment_id;
        WHEN 'join' THEN
            PERFORM replay.new_address(e.address_id, e.detail);
            INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id,
                                  create_date, active)
            VALUES (e.customer_id, e.store_id, e.detail ->> 'first_name', e.detail ->> 'last_name',
                    e.detail ->> 'email', e.address_id, (e.at AT TIME ZONE 'UTC')::date, 1);
        WHEN 'move' THEN
            PERFORM replay.new_address(e.address_id, e.detail);
            UPDATE customer
            SET address_id = e.address_id, store_id = coalesce(e.store_id, store_id)
            WHERE customer_id = e.customer_id;
        WHEN 'change' THEN
            UPDATE customer
            SET email = coalesce(e.detail ->> 'email', email),
                first_name = coalesce(e.detail ->> 'first_name', first_name),
                last_name = coalesce(e.detail ->> 'last_name', last_name),
                activebool = coalesce((e.detail ->> 'activebool')::boolean, activebool),
                active = coalesce((e.detail ->> 'activebool')::boolean, activebool)::integer
            WHERE customer_id = e.customer_id;
        WHEN 'reprice' THEN
            -- Row by row in order of key, so that every replay writes the same WAL.
            FOR price IN
                SELECT key::integer AS film_id, value::numeric AS rate
                FROM jsonb_each_text(e.detail) ORDER BY 1
            LOOP
                UPDATE film SET rental_rate = price.rate WHERE film_id = price.film_id;
            END LOOP;
        WHEN 'buy' THEN
            INSERT INTO inventory (inventory_id, film_id, store_id)
            VALUES (e.inventory_id, e.film_id, e.store_id);
        WHEN 'transfer' THEN
            UPDATE inventory SET store_id = e.store_id WHERE inventory_id = e.inventory_id;
        WHEN 'withdraw' THEN
            FOR copy IN
                SELECT inventory_id FROM inventory WHERE film_id = e.film_id ORDER BY 1
            LOOP
                DELETE FROM inventory WHERE inventory_id = copy.inventory_id;
            END LOOP;
            DELETE FROM film_actor WHERE film_id = e.film_id;
            DELETE FROM film_category WHERE film_id = e.film_id;
            DELETE FROM film WHERE film_id = e.film_id;
        END CASE;
        COMMIT;
        played := played + 1;
    END LOOP;
    UPDATE replay.clock SET reached = greatest(reached, until);
END $$;

-- What every replayed transaction does first: the time in the WAL, in last_update, on the clock.
CREATE FUNCTION replay.begin(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_logical_emit_message(true, 'medallion.system_time', at::text);
    PERFORM set_config('medallion.system_time', at::text, true);
    UPDATE replay.clock SET played = at;
END $$;

CREATE FUNCTION replay.new_address(address_id integer, detail jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO address (address_id, address, district, city_id, postal_code, phone)
    VALUES (address_id, detail ->> 'address', detail ->> 'district',
            (detail ->> 'city_id')::integer, detail ->> 'postal_code', detail ->> 'phone')
$$;

-- Live edits number on from the replay's.
CREATE PROCEDURE replay.align_sequences() LANGUAGE plpgsql AS $$
DECLARE
    owned record;
BEGIN
    FOR owned IN
        SELECT a.attrelid::regclass AS relation, a.attname AS column_name,
               pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) AS sequence
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid AND NOT c.relispartition AND c.relkind IN ('r', 'p')
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
          AND pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) IS NOT NULL
    LOOP
        EXECUTE format('SELECT setval(%L, greatest(max(%I), 1)) FROM %s',
                       owned.sequence, owned.column_name, owned.relation);
    END LOOP;
END $$;
