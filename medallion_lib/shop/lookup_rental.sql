-- The current row has them already, unless it is of another item.
LEFT JOIN LATERAL (
    SELECT (version.row_before).film_id, (version.row_before).store_id
    WHERE (version.row_before).inventory_id = (version.full_row ->> 'inventory_id')::integer
    UNION ALL
    SELECT found.film_id, found.store_id
    FROM {schema}.item_of_rental(
        (version.full_row ->> 'rental_id')::integer, (version.full_row ->> 'inventory_id')::integer) AS found
    WHERE (version.row_before).inventory_id IS DISTINCT FROM (version.full_row ->> 'inventory_id')::integer
) AS looked_up ON true
