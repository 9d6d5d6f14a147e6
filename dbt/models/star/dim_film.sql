with films as (

    select * from {{ ref('stg_films') }}

),

languages as (

    select * from {{ ref('stg_languages') }}

),

categories as (

    select
        film_id,
        array_agg(category order by category) as categories

    from {{ ref('stg_film_categories') }}
    join {{ ref('stg_categories') }} using (category_id)
    group by film_id

),

actors as (

    select
        film_id,
        array_agg(actor order by actor) as actors

    from {{ ref('stg_film_actors') }}
    join {{ ref('stg_actors') }} using (actor_id)
    group by film_id

),

rentals as (

    select
        film_id,
        count(*) as rentals,
        count(*) filter (
            where rented_at > as_of - make_interval(days => {{ var('recent_days') }})
        ) as recent_rentals

    from {{ ref('stg_rentals') }}
    cross join {{ ref('stg_instant') }}
    group by film_id

),

paid as (

    select
        film_id,
        sum(amount) as revenue

    from {{ ref('fact_rental') }}
    group by film_id

),

counted as (

    select
        films.*,
        coalesce(rentals.rentals, 0) as rentals,
        coalesce(rentals.recent_rentals, 0) as recent_rentals,
        coalesce(paid.revenue, 0) as revenue

    from films
    left join rentals using (film_id)
    left join paid using (film_id)

),

final as (

    select
        film_id,
        title,
        description,
        release_year,
        spoken.language,
        original.language as original_language,
        rental_days,
        rental_rate,
        minutes,
        replacement_cost,
        rating,
        coalesce(categories, '{}') as categories,
        coalesce(actors, '{}') as actors,
        'Trailer' = any (special_features) as has_trailer,
        'Interviews' = any (special_features) as has_interviews,
        'Making of' = any (special_features) as has_making_of,
        'Director commentary' = any (special_features) as has_commentary,
        'Alternate ending' = any (special_features) as has_alternate_ending,
        'Bloopers' = any (special_features) as has_bloopers,
        rentals,
        recent_rentals,
        revenue,
        case
            when recent_rentals = 0 then 'dormant'
            when percent_rank() over by_recent < {{ var('top_share') }} then 'hit'
            else 'steady'
        end as popularity

    from counted
    left join categories using (film_id)
    left join actors using (film_id)
    left join languages as spoken using (language_id)
    left join languages as original on original.language_id = counted.original_language_id
    window by_recent as (order by recent_rentals desc)

)

select * from final
