-- The first value among these events that silver's column can't hold, or not exactly.
SELECT its.name, its.type,
       CASE WHEN length(its.value) > 99 THEN left(its.value, 99) || '…' ELSE its.value END
FROM (
    SELECT lsn, seq, full_row || '{{}}' AS full_row  -- unpacked once, and not for each value
    FROM {bronze}
    WHERE lsn >= %(since)s AND lsn < %(upto)s AND op <> 'T'
    OFFSET 0
) AS event
CROSS JOIN LATERAL (VALUES {values}) AS its (name, type, value, is_exact)
WHERE NOT its.is_exact
ORDER BY event.lsn, event.seq
LIMIT 1
