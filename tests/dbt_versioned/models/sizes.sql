{{ config(unique_key='Key "2"') }}
SELECT "Key ""2""", count(*) AS things FROM {{ ref('thing_hist') }} WHERE sys_end = 'infinity' GROUP BY 1
