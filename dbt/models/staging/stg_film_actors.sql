with source as (

    select * from {{ as_of(source('silver_star', 'film_actor')) }}

),

final as (

    select
        film_id,
        actor_id

    from source

)

select * from final
