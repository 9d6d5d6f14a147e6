LEFT JOIN LATERAL bronze.store_of_payment(
    version.payment_id, (version.full_row ->> 'rental_id')::integer) AS carried ON true
