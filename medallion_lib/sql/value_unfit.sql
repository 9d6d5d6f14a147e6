-- The first value among these events that silver's column can't hold, or not exactly.
SELECT its.name, its.type,
       CASE WHEN length(its.value) > 99 THEN left(its.value, 99) || '…' ELSE its.value END
FROM {bronze} AS event
CROSS JOIN LATERAL (VALUES {values}) AS its (name, type, value, is_exact)
WHERE event.lsn >= %(since)s AND event.lsn < %(upto)s AND event.op <> 'T' AND NOT its.is_exact
ORDER BY event.lsn, event.seq
LIMIT 1
