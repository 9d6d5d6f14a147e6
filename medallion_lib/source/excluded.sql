-- Which of these columns never land, one of which that is not known, and what is to be known of those
-- that are excluded. A column is its number in its table: an excluded one any that its name has had.
WITH its AS (
    SELECT name, to_regclass(name) AS oid,
           -- Of another table of that name, numbers mean nothing.
           CASE WHEN %(known)s::jsonb ->> ('table ' || name) = to_regclass(name)::oid::text
                THEN %(known)s::jsonb ELSE '{}' END AS known
    FROM format('%%I.%%I', %(schema)s, %(name)s) AS name
),
numbered AS (
    SELECT given.name, given.name = ANY (%(excluded)s) AS is_named, number
    FROM its
    CROSS JOIN unnest(%(columns)s || %(excluded)s) AS given (name)
    LEFT JOIN LATERAL (
        SELECT known ->> format('column %%I of %%s', given.name, its.name) AS number
        UNION
        SELECT attnum::text FROM pg_attribute
        WHERE attrelid = its.oid AND attname = given.name AND NOT attisdropped
        UNION
        SELECT value FROM jsonb_each_text(known)
        WHERE key = format('excluded %%s, %%I of %%s', value, given.name, its.name)
    ) AS any_time ON number IS NOT NULL
)
SELECT coalesce(array_agg(name) FILTER (WHERE is_named OR number IN (
           SELECT number FROM numbered WHERE is_named)), '{}'),
       min(name) FILTER (WHERE NOT is_named AND number IS NULL),
       coalesce((SELECT json_object_agg(DISTINCT format('excluded %%s, %%I of %%s', number, numbered.name, its.name), number)
                 FROM numbered, its WHERE is_named AND number IS NOT NULL), '{}')
FROM numbered
