-- What else of meta is otherwise since.
ALTER TABLE meta.watermark DROP COLUMN IF EXISTS tables, ADD COLUMN IF NOT EXISTS names jsonb;
