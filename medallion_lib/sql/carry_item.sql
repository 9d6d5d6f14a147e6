LEFT JOIN LATERAL bronze.item_of_rental(
    version.rental_id, (version.full_row ->> 'inventory_id')::integer) AS carried ON true
