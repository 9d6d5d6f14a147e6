-- Which of these columns never land, and one of which that is not known. A column is its number in the
-- table: by the names as they were known when bronze was captured, else as they are now.
WITH its AS (
    SELECT format('%%I.%%I', %(schema)s, %(name)s) AS name
),
numbered AS (
    SELECT given.name, given.name = ANY (%(excluded)s) AS is_named, coalesce(
        (%(known)s::jsonb ->> format('column %%I of %%s', given.name, its.name))::integer,
        (SELECT attnum FROM pg_attribute
         WHERE attrelid = to_regclass(its.name) AND attname = given.name AND NOT attisdropped)
    ) AS number
    FROM its, unnest(%(columns)s || %(excluded)s) AS given (name)
)
SELECT coalesce(array_agg(name) FILTER (WHERE is_named OR number IN (
           SELECT number FROM numbered WHERE is_named)), '{}'),
       min(name) FILTER (WHERE NOT is_named AND number IS NULL)
FROM numbered
