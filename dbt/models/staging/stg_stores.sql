with source as (

    select * from {{ as_of(source('silver_star', 'store')) }}

),

final as (

    select
        store_id,
        manager_staff_id,
        address_id

    from source

)

select * from final
