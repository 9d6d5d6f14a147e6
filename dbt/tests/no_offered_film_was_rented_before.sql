-- A recommendation is of a film that the customer has not rented, of the genre they prefer.
select metrics.customer_id
from {{ ref('customer_metrics') }} as metrics
join {{ ref('dim_customer') }} as customer using (customer_id)
join {{ ref('dim_film') }} as film on film.film_id = metrics.offered_film_id
where customer.preferred_genre <> all (film.categories)
   or exists (
       select from {{ ref('fact_rental') }} as rental
       where rental.customer_id = metrics.customer_id and rental.film_id = film.film_id
   )
