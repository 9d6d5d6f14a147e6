with source as (

    select * from {{ as_of(source('silver_star', 'category')) }}

),

final as (

    select
        category_id,
        name as category

    from source

)

select * from final
