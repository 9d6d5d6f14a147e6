with source as (

    select * from {{ as_of(source('silver_star', 'language')) }}

),

final as (

    select
        language_id,
        rtrim(name) as language

    from source

)

select * from final
