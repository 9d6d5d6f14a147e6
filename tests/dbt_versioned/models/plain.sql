{{ config(unique_key='id', instant='transaction') }}
SELECT * FROM feed.plain
