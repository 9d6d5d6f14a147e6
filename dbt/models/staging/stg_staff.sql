with source as (

    select * from {{ as_of(source('silver_star', 'staff')) }}

),

final as (

    select
        staff_id,
        first_name,
        last_name,
        address_id,
        email,
        store_id,
        active as is_active

    from source

)

select * from final
