-- The last row of one key, unless that was a delete: as it is, and each of its values as text.
SELECT full_row::text, (SELECT json_object_agg(key, value) FROM jsonb_each_text(full_row))
FROM (
    SELECT op, full_row
    FROM {bronze}
    WHERE full_row ->> {lookup} = %(key)s::jsonb ->> {lookup} AND full_row @> %(key)s::jsonb
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
) AS last
WHERE op <> 'D'
