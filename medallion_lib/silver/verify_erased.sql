-- Of rows that were erased here, the source's are not expected: their columns, or they.
WITH come AS (
    SELECT source_row.ctid AS place, columns
    FROM pg_temp.source_row
    JOIN meta.erasure ON bronze = source AND key_hash = meta.key_hash(salt, {key})
    WHERE source = {source}
),
its AS (
    SELECT place, bool_or(columns IS NULL) AS is_whole, jsonb_object_agg(name, NULL) FILTER (WHERE name IS NOT NULL) AS nothing
    FROM come
    LEFT JOIN LATERAL unnest(columns) AS name ON true
    GROUP BY place
),
nulled AS (
    UPDATE pg_temp.source_row
    SET full_row = full_row || (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(nothing) WHERE full_row ? key)
    FROM its
    WHERE source_row.ctid = place AND NOT is_whole
)
DELETE FROM pg_temp.source_row USING its WHERE source_row.ctid = place AND is_whole
