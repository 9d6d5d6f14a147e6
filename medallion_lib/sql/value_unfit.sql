-- The first value among these events that silver's column can't hold.
SELECT its.name, its.type, its.value
FROM {bronze} AS event
CROSS JOIN LATERAL (VALUES {values}) AS its (name, type, value)
WHERE event.lsn >= %(since)s AND event.lsn < %(upto)s AND event.op <> 'T'
  AND NOT pg_input_is_valid(its.value, its.type)
ORDER BY event.lsn, event.seq
LIMIT 1
