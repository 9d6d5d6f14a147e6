with source as (

    select * from {{ as_of(source('silver', 'dim_customer')) }}

),

final as (

    select
        customer_id,
        store_id,
        first_name,
        last_name,
        email,
        address_id,
        active as is_active,
        create_date as customer_since

    from source

)

select * from final
