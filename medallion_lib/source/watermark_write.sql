INSERT INTO meta.watermark
    (stage, lsn, commit_ts, slot, source_system, source_name, publication, business_time,
     ahead, names)
VALUES ('capture', %(lsn)s, %(commit_ts)s, %(slot)s, %(source_system)s, %(source_name)s,
        %(publication)s, %(business_time)s, %(ahead)s, %(names)s)
ON CONFLICT (stage) DO UPDATE
SET lsn = excluded.lsn, commit_ts = excluded.commit_ts, updated_at = clock_timestamp(),
    slot = excluded.slot, source_system = excluded.source_system,
    source_name = excluded.source_name, publication = excluded.publication,
    business_time = excluded.business_time, ahead = excluded.ahead,
    names = excluded.names
