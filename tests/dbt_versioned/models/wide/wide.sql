{{ config(unique_key='id') }}
SELECT id{% for n in range(1595) %}, value AS c{{ n }}{% endfor %} FROM feed.wide
