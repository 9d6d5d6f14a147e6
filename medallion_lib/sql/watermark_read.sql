-- A warehouse made before names were noted gets the column now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'meta.watermark'::regclass AND attname = 'names') THEN
        ALTER TABLE meta.watermark ADD COLUMN names jsonb;
    END IF;
END $$;
SELECT lsn, commit_ts, slot, source_system, source_name, publication, business_time, ahead, names
FROM meta.watermark
WHERE stage = 'capture'
