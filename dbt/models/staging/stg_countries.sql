with source as (

    select * from {{ as_of(source('silver_star', 'country')) }}

),

final as (

    select
        country_id,
        country

    from source

)

select * from final
