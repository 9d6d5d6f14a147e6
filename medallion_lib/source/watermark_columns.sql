-- A warehouse of an earlier version gets the columns that it lacks when its watermark is written.
DO $$
BEGIN
    IF (
        SELECT count(*) FROM pg_attribute
        WHERE attrelid = 'meta.watermark'::regclass AND NOT attisdropped
          AND attname IN ('tables', 'names')
    ) < 2 THEN
        ALTER TABLE meta.watermark
            ADD COLUMN IF NOT EXISTS tables jsonb, ADD COLUMN IF NOT EXISTS names jsonb;
    END IF;
END $$
