with rentals as (

    select * from {{ ref('stg_rentals') }}

),

films as (

    select * from {{ ref('stg_films') }}

),

payments as (

    select * from {{ ref('stg_payments') }}

),

stores as (

    select * from {{ ref('dim_store') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

instant as (

    select * from {{ ref('stg_instant') }}

),

-- A rental may have several payments: add them up before joining.
paid as (

    select
        rental_id,
        count(*) as payments,
        sum(amount) as amount

    from payments
    where rental_id is not null
    group by rental_id

),

timed as (

    select
        rentals.*,
        films.rental_days,
        rented_at + make_interval(days => films.rental_days) as due_at,
        coalesce(returned_at, instant.as_of) as counted_until

    from rentals
    cross join instant
    left join films using (film_id)

),

dated as (

    select
        timed.*,
        case when isfinite(rented_at) then {{ utc_day('rented_at') }} end as rented_day,
        case when isfinite(due_at) then {{ utc_day('due_at') }} end as due_day,
        case when isfinite(returned_at) then {{ utc_day('returned_at') }} end as returned_day

    from timed

),

final as (

    select
        dated.rental_id,
        dated.customer_id,
        dated.film_id,
        dated.store_id,
        dated.staff_id,
        dated.inventory_id,
        dated.rented_day,
        dated.due_day,
        dated.returned_day,
        dated.rented_at,
        dated.due_at,
        dated.returned_at,
        dated.rental_days,
        round(extract(epoch from counted_until - rented_at) / 86400, 2) as days_out,
        round(greatest(extract(epoch from counted_until - due_at), 0) / 86400, 2) as days_late,
        dated.returned_at is not null as is_returned,
        dated.returned_at > dated.due_at as is_late_return,
        dated.returned_at is null and dated.due_at < counted_until as is_overdue,
        days.is_weekend as is_weekend,
        case
            when not days.are_holidays_known then null
            when stores.country = 'Canada' then days.canadian_holiday is not null
            when stores.country = 'United States' then days.us_holiday is not null
        end as is_holiday,
        coalesce(paid.payments, 0) as payments,
        coalesce(paid.amount, 0) as amount

    from dated
    left join paid using (rental_id)
    left join stores on stores.store_id = dated.store_id
    left join days on days.date_day = dated.rented_day

)

select * from final
