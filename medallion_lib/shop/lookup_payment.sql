-- The current row has it already, unless it is of another rental.
LEFT JOIN LATERAL (
    SELECT (version.row_before).store_id
    WHERE (version.row_before).rental_id = (version.full_row ->> 'rental_id')::integer
    UNION ALL
    SELECT found.store_id
    FROM {schema}.store_of_payment(
        (version.full_row ->> 'payment_id')::integer, (version.full_row ->> 'rental_id')::integer) AS found
    WHERE (version.row_before).rental_id IS DISTINCT FROM (version.full_row ->> 'rental_id')::integer
) AS looked_up ON true
