{{ config(unique_key=['line', 'id']) }}
SELECT 1 AS line, ARRAY['a'] AS id
