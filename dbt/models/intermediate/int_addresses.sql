with addresses as (

    select * from {{ ref('stg_addresses') }}

),

cities as (

    select * from {{ ref('stg_cities') }}

),

countries as (

    select * from {{ ref('stg_countries') }}

),

final as (

    select
        addresses.address_id,
        addresses.address,
        addresses.address2,
        addresses.district,
        cities.city,
        addresses.postal_code,
        countries.country,
        addresses.phone

    from addresses
    left join cities using (city_id)
    left join countries using (country_id)

)

select * from final
