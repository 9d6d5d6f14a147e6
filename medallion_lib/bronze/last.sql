-- The last row of one key, unless that was a delete: as it is, and each of its values as text.
SELECT full_row::text, (SELECT json_object_agg(key, value) FROM jsonb_each_text(full_row))
FROM (
    SELECT op, full_row
    FROM {bronze}
    CROSS JOIN (SELECT %(key)s::jsonb) AS given (key)
    WHERE ({is_found}) AND {has_key}
    ORDER BY lsn DESC, seq DESC
    LIMIT 1
) AS last
WHERE op <> 'D'
