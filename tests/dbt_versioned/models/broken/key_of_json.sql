{{ config(unique_key='id') }}
SELECT '{}'::json AS id
