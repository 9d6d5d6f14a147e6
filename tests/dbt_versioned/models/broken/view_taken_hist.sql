{{ config(unique_key='id') }}
SELECT 1 AS id
