{{ config(unique_key='id', instant='now') }}
SELECT 1 AS id
