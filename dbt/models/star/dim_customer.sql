with customers as (

    select * from {{ ref('stg_customers') }}

),

addresses as (

    select * from {{ ref('int_addresses') }}

),

payments as (

    select
        customer_id,
        sum(amount) as lifetime_value

    from {{ ref('stg_payments') }}
    group by customer_id

),

genres as (

    select distinct on (customer_id)
        customer_id,
        category

    from {{ ref('stg_rentals') }}
    join {{ ref('stg_film_categories') }} using (film_id)
    join {{ ref('stg_categories') }} using (category_id)
    group by customer_id, category
    order by customer_id, count(*) desc, category

),

valued as (

    select
        customers.*,
        coalesce(payments.lifetime_value, 0) as lifetime_value

    from customers
    left join payments using (customer_id)

),

final as (

    select
        valued.customer_id,
        valued.first_name,
        valued.last_name,
        valued.email,
        valued.is_active,
        valued.store_id as home_store_id,
        valued.customer_since,
        addresses.address,
        addresses.address2,
        addresses.district,
        addresses.city,
        addresses.postal_code,
        addresses.country,
        addresses.phone,
        valued.lifetime_value,
        case
            when lifetime_value <= 0 then 'none'
            when percent_rank() over by_value < {{ var('top_share') }} then 'top'
            when percent_rank() over by_value < {{ var('middle_share') }} then 'middle'
            else 'base'
        end as tier,
        genres.category as preferred_genre

    from valued
    left join addresses using (address_id)
    left join genres using (customer_id)
    window by_value as (order by lifetime_value desc)

)

select * from final
