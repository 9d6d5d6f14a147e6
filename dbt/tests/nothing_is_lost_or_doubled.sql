-- Each row of staging is one row of the star, whatever was joined to it.
{% set pairs = {
    'fact_rental': 'stg_rentals',
    'fact_payment': 'stg_payments',
    'dim_customer': 'stg_customers',
    'dim_film': 'stg_films',
    'dim_store': 'stg_stores',
    'dim_staff': 'stg_staff',
    'customer_metrics': 'stg_customers',
} %}
with counted as (

    {% for model, staging in pairs.items() -%}
    select
        '{{ model }}' as model,
        (select count(*) from {{ ref(staging) }}) as expected,
        (select count(*) from {{ ref(model) }}) as found
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select * from counted where expected <> found
