LEFT JOIN {schema}.stores_of_payments AS looked_up
  ON looked_up.payment_id = (version.full_row ->> 'payment_id')::integer
 AND looked_up.rental_id = (version.full_row ->> 'rental_id')::integer
