with source as (

    select * from {{ as_of(source('silver', 'fact_payment_current')) }}

),

final as (

    select
        payment_id,
        payment_date as paid_at,
        amount,
        customer_id,
        rental_id,
        store_id,
        staff_id

    from source

)

select * from final
