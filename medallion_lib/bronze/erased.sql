-- Erase what came of rows that were erased before, from a position on: their columns, or all of it.
-- Whether such a row has gone at the source is known with its last change.
WITH open AS (
    SELECT number, columns, salt, key_hash FROM meta.erasure WHERE bronze = {of} AND key_hash IS NOT NULL
),
come AS (
    SELECT lsn, seq, op, number, columns
    FROM {bronze} JOIN open ON key_hash = meta.key_hash(salt, {key})
    WHERE lsn >= {since} AND op <> 'T'
),
emptied AS (
    SELECT lsn, seq FROM {bronze} WHERE lsn >= {since} AND op = 'T' ORDER BY lsn DESC, seq DESC LIMIT 1
),
last AS (
    SELECT DISTINCT ON (number) number,
           op IS NULL OR op = 'D' OR (emptied.lsn, emptied.seq) > (come.lsn, come.seq) AS is_ending
    FROM open
    LEFT JOIN come USING (number)
    LEFT JOIN emptied ON true
    WHERE op IS NOT NULL OR emptied.lsn IS NOT NULL
    ORDER BY number, come.lsn DESC, come.seq DESC
),
told AS (
    UPDATE meta.erasure SET is_ending = last.is_ending IS TRUE FROM last WHERE erasure.number = last.number
),
event AS (
    SELECT lsn, seq, bool_or(columns IS NULL) AS is_whole, jsonb_object_agg(name, NULL) FILTER (WHERE name IS NOT NULL) AS nothing
    FROM come
    LEFT JOIN LATERAL unnest(columns) AS name ON true
    GROUP BY lsn, seq
),
nulled AS (
    UPDATE {bronze} AS its
    SET full_row = full_row || (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(nothing) WHERE full_row ? key)
    FROM event
    WHERE its.lsn = event.lsn AND its.seq = event.seq AND NOT is_whole
)
DELETE FROM {bronze} AS its USING event WHERE its.lsn = event.lsn AND its.seq = event.seq AND is_whole
