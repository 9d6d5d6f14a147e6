-- How far bronze is now. What it is captured from stays as it is.
UPDATE meta.watermark
SET lsn = %(lsn)s, commit_ts = %(commit_ts)s, names = %(names)s, updated_at = clock_timestamp()
WHERE stage = 'capture'
