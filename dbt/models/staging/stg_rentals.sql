with source as (

    select * from {{ as_of(source('silver', 'fact_rental_current')) }}

),

final as (

    select
        rental_id,
        rental_date as rented_at,
        return_date as returned_at,
        customer_id,
        inventory_id,
        film_id,
        store_id,
        staff_id

    from source

)

select * from final
