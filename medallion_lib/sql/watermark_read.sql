SELECT lsn, commit_ts, slot, source_system, source_name, publication, business_time, ahead
FROM meta.watermark
WHERE stage = 'capture'
