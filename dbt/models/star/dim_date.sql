with rentals as (

    select * from {{ ref('stg_rentals') }}

),

payments as (

    select * from {{ ref('stg_payments') }}

),

films as (

    select * from {{ ref('stg_films') }}

),

holidays as (

    select * from {{ ref('holidays') }}

),

used as (

    select {{ utc_day('rented_at') }} as date_day from rentals where isfinite(rented_at)
    union
    select {{ utc_day('returned_at') }} from rentals where isfinite(returned_at)
    union
    select {{ utc_day('rented_at + make_interval(days => rental_days)') }}
    from rentals
    join films using (film_id)
    where isfinite(rented_at)
    union
    select {{ utc_day('paid_at') }} from payments where isfinite(paid_at)

),

span as (

    select min(date_day) as first_day, max(date_day) as last_day from used

),

days as (

    select day::date as date_day
    from span, generate_series(first_day::timestamp, last_day, interval '1 day') as day

),

holidays_known as (

    select
        date_trunc('year', min(holiday_day))::date as known_from,
        (date_trunc('year', max(holiday_day)) + interval '1 year')::date as known_until

    from holidays

),

final as (

    select
        days.date_day,
        extract(year from days.date_day)::integer as year,
        extract(quarter from days.date_day)::integer as quarter,
        extract(month from days.date_day)::integer as month,
        to_char(days.date_day, 'FMMonth') as month_name,
        date_trunc('month', days.date_day)::date as first_of_month,
        extract(week from days.date_day)::integer as iso_week,
        extract(isodow from days.date_day)::integer as iso_weekday,
        to_char(days.date_day, 'FMDay') as day_name,
        extract(isodow from days.date_day) in (6, 7) as is_weekend,
        canada.holiday as canadian_holiday,
        us.holiday as us_holiday,
        days.date_day >= known_from and days.date_day < known_until as are_holidays_known

    from days
    cross join holidays_known
    left join holidays as canada
        on canada.holiday_day = days.date_day and canada.country = 'Canada'
    left join holidays as us
        on us.holiday_day = days.date_day and us.country = 'United States'

)

select * from final
