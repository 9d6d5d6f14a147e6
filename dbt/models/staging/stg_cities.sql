with source as (

    select * from {{ as_of(source('silver_star', 'city')) }}

),

final as (

    select
        city_id,
        city,
        country_id

    from source

)

select * from final
