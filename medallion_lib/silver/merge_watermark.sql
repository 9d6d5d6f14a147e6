-- Merge stands where capture does, at its time, or, when it stopped earlier, at the last event it took in.
INSERT INTO meta.watermark (stage, lsn, commit_ts)
SELECT 'merge', %(upto)s,
       coalesce(%(at)s, (SELECT max(commit_ts) FROM (SELECT NULL::timestamptz AS commit_ts{latest}) AS event))
FROM meta.watermark AS capture
WHERE capture.stage = 'capture'
ON CONFLICT (stage) DO UPDATE
SET lsn = excluded.lsn, commit_ts = greatest(watermark.commit_ts, excluded.commit_ts),  -- an event may be gone
    updated_at = clock_timestamp();
UPDATE meta.watermark SET refused = NULL WHERE refused IS NOT NULL
