with stores as (

    select * from {{ ref('stg_stores') }}

),

addresses as (

    select * from {{ ref('int_addresses') }}

),

staff as (

    select * from {{ ref('stg_staff') }}

),

final as (

    select
        stores.store_id,
        addresses.address,
        addresses.address2,
        addresses.district,
        addresses.city,
        addresses.postal_code,
        addresses.country,
        addresses.phone,
        stores.manager_staff_id,
        manager.first_name || ' ' || manager.last_name as manager_name

    from stores
    left join addresses using (address_id)
    left join staff as manager on manager.staff_id = stores.manager_staff_id

)

select * from final
