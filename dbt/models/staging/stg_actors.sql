with source as (

    select * from {{ as_of(source('silver_star', 'actor')) }}

),

final as (

    select
        actor_id,
        first_name || ' ' || last_name as actor

    from source

)

select * from final
