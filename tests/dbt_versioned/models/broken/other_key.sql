{{ config(unique_key=['id', 'line']) }}
SELECT 1 AS id
