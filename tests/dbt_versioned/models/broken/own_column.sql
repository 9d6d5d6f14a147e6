{{ config(unique_key='id') }}
SELECT 1 AS id, 2 AS sys_end
