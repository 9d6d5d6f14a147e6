{% set key = "a key's column whose name has 63 bytes, which is all one has___" %}
{{ config(unique_key=['id', key], alias="Nested Values") }}
SELECT *, 1.0 AS "{{ key }}"{% for n in range(101) %}, NULL::jsonb AS "null {{ n }}"{% endfor %} FROM feed.nested
