{% snapshot plain_snapshot %}
{{ config(unique_key='id', strategy='check', check_cols='all', hard_deletes='invalidate') }}
SELECT * FROM feed.plain
{% endsnapshot %}
