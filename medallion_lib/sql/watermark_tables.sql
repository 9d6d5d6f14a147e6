-- A warehouse of an earlier version has no such column yet.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'meta.watermark'::regclass AND attname = 'tables' AND NOT attisdropped
    ) THEN
        ALTER TABLE meta.watermark ADD tables jsonb;
    END IF;
END $$;
UPDATE meta.watermark
SET tables = %(tables)s
WHERE stage = %(stage)s AND tables IS DISTINCT FROM %(tables)s
