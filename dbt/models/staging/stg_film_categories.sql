with source as (

    select * from {{ as_of(source('silver_star', 'film_category')) }}

),

final as (

    select
        film_id,
        category_id

    from source

)

select * from final
