-- A warehouse of an earlier version has no names yet.
SELECT lsn, commit_ts, slot, source_system, source_name, publication, business_time, ahead,
       to_jsonb(watermark) -> 'names'
FROM meta.watermark
WHERE stage = 'capture'
