-- The source can hold a return before its rental; it would make a duration negative.
{{ config(severity='warn') }}

select rental_id
from {{ ref('fact_rental') }}
where returned_at < rented_at
