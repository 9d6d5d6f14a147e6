{{ config(unique_key=['id', 'Key "2"']) }}
SELECT * FROM feed.thing
