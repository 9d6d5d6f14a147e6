with source as (

    select * from {{ as_of(source('silver', 'dim_film')) }}

),

final as (

    select
        film_id,
        title,
        description,
        release_year,
        language_id,
        original_language_id,
        rental_duration as rental_days,
        rental_rate,
        length as minutes,
        replacement_cost,
        rating,
        special_features

    from source

)

select * from final
