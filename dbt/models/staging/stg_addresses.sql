with source as (

    select * from {{ as_of(source('silver_star', 'address')) }}

),

final as (

    select
        address_id,
        address,
        address2,
        district,
        city_id,
        postal_code,
        phone

    from source

)

select * from final
