with staff as (

    select * from {{ ref('stg_staff') }}

),

stores as (

    select * from {{ ref('stg_stores') }}

),

addresses as (

    select * from {{ ref('int_addresses') }}

),

final as (

    select
        staff.staff_id,
        staff.first_name,
        staff.last_name,
        staff.email,
        staff.store_id,
        staff.is_active,
        exists (
            select from stores where stores.manager_staff_id = staff.staff_id
        ) as is_manager,
        addresses.city,
        addresses.country

    from staff
    left join addresses on addresses.address_id = staff.address_id

)

select * from final
