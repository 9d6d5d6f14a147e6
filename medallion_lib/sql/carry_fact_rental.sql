-- The current row has them already, unless it is of another item.
LEFT JOIN LATERAL (
    SELECT (version.before).film_id, (version.before).store_id
    WHERE (version.before).inventory_id = (version.full_row ->> 'inventory_id')::integer
    UNION ALL
    SELECT found.film_id, found.store_id
    FROM {schema}.item_of_rental(
        version.rental_id, (version.full_row ->> 'inventory_id')::integer) AS found
    WHERE (version.before).inventory_id IS DISTINCT FROM (version.full_row ->> 'inventory_id')::integer
) AS carried ON true
