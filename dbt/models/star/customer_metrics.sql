with customers as (

    select * from {{ ref('dim_customer') }}

),

films as (

    select * from {{ ref('dim_film') }}

),

rentals as (

    select * from {{ ref('fact_rental') }}

),

payments as (

    select * from {{ ref('fact_payment') }}

),

instant as (

    select * from {{ ref('stg_instant') }}

),

-- A visit is a day with a rental: several films taken home together are one.
visits as (

    select
        customer_id,
        rented_day,
        rented_day - lag(rented_day) over (
            partition by customer_id order by rented_day
        ) as days_since_last

    from (select distinct customer_id, rented_day from rentals) as day

),

usual as (

    select
        customer_id,
        case when count(*) >= {{ var('usual_gap_visits') }} then
            percentile_cont(0.5) within group (order by days_since_last)
        end as usual_gap_days

    from visits
    group by customer_id

),

rented as (

    select
        customer_id,
        count(*) as rentals,
        min(rented_at) as first_rented_at,
        max(rented_at) as last_rented_at,
        count(*) filter (
            where rented_at > as_of - make_interval(days => {{ var('money_days') }})
        ) as frequency

    from rentals
    cross join instant
    group by customer_id

),

paid as (

    select
        customer_id,
        sum(amount) filter (
            where paid_at > as_of - make_interval(days => {{ var('money_days') }})
        ) as money

    from payments
    cross join instant
    group by customer_id

),

overdue as (

    select distinct customer_id from rentals where is_overdue

),

measured as (

    select
        customers.customer_id,
        customers.tier,
        customers.preferred_genre,
        customers.is_active,
        as_of,
        as_of_day,
        usual.usual_gap_days,
        rented.first_rented_at,
        extract(epoch from as_of - last_rented_at) / 86400 as days_since_rental,
        coalesce(rented.rentals, 0) as rentals,
        coalesce(rented.frequency, 0) as frequency,
        coalesce(paid.money, 0) as money

    from customers
    cross join instant
    left join rented using (customer_id)
    left join usual using (customer_id)
    left join paid using (customer_id)

),

judged as (

    select
        *,
        case
            when not is_active then 'left'
            when usual_gap_days is null then 'unknown'
            when days_since_rental > {{ var('high_risk_gaps') }} * usual_gap_days then 'high'
            when days_since_rental > {{ var('medium_risk_gaps') }} * usual_gap_days then 'medium'
            else 'low'
        end as churn_risk

    from measured

),

grouped as (

    select
        judged.*,
        case
            when churn_risk = 'left' then 'left'
            when rentals = 0 then 'never rented'
            when first_rented_at > as_of - make_interval(days => {{ var('new_days') }}) then 'new'
            when churn_risk = 'high' then 'at risk'
            when tier = 'top' then 'loyal'
            else 'regular'
        end as segment,
        case
            when churn_risk = 'left' then 'none'
            when overdue.customer_id is not null then 'reminder'
            when rentals = 0 then 'first rental'
            when churn_risk = 'high' then 'welcome back'
            else 'recommendation'
        end as offer

    from judged
    left join overdue using (customer_id)

),

-- The films of each genre, the most rented of late first.
shelf as (

    select
        film_id,
        category,
        row_number() over (partition by category order by recent_rentals desc, film_id) as place

    from films
    cross join unnest(categories) as category
    where recent_rentals > 0

),

offered as (

    select
        grouped.customer_id,
        shelf.film_id

    from grouped
    cross join lateral (
        select film_id
        from shelf
        where shelf.category = grouped.preferred_genre
          and shelf.film_id not in (
              select rentals.film_id from rentals
              where rentals.customer_id = grouped.customer_id and rentals.film_id is not null
          )
        order by place
        limit 1
    ) as shelf
    where grouped.offer in ('recommendation', 'welcome back')

),

final as (

    select
        customer_id,
        as_of,
        floor(days_since_rental)::integer as recency_days,
        frequency,
        money,
        rentals,
        usual_gap_days::numeric as usual_gap_days,
        date_trunc('month', first_rented_at at time zone 'UTC')::date as cohort_month,
        tier,
        churn_risk,
        segment,
        offer,
        offered.film_id as offered_film_id

    from grouped
    left join offered using (customer_id)

)

select * from final
