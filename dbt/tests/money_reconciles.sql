-- Every cent of the payments is in the star once: by payment, by rental and by customer.
-- A payment of an unknown rental or customer is only in the first.
with expected as (

    select
        coalesce(sum(amount), 0) as by_payment,
        coalesce(sum(amount) filter (
            where rental_id in (select rental_id from {{ ref('stg_rentals') }})
        ), 0) as by_rental,
        coalesce(sum(amount) filter (
            where customer_id in (select customer_id from {{ ref('stg_customers') }})
        ), 0) as by_customer

    from {{ ref('stg_payments') }}

),

found as (

    select
        (select coalesce(sum(amount), 0) from {{ ref('fact_payment') }}) as by_payment,
        (select coalesce(sum(amount), 0) from {{ ref('fact_rental') }}) as by_rental,
        (select coalesce(sum(lifetime_value), 0) from {{ ref('dim_customer') }}) as by_customer

)

select *
from expected
join found on true
where row(expected.*) is distinct from row(found.*)
