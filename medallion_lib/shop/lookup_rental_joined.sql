LEFT JOIN {schema}.items_of_rentals AS looked_up
  ON looked_up.rental_id = version.row_key_1
 AND looked_up.inventory_id = (version.full_row ->> 'inventory_id')::integer
