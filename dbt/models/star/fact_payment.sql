with payments as (

    select * from {{ ref('stg_payments') }}

),

final as (

    select
        payment_id,
        paid_at,
        case when isfinite(paid_at) then {{ utc_day('paid_at') }} end as paid_day,
        amount,
        customer_id,
        rental_id,
        store_id,
        staff_id

    from payments

)

select * from final
