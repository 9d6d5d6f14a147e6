-- What else of meta is otherwise since.
ALTER TABLE meta.watermark DROP COLUMN IF EXISTS tables, ADD COLUMN IF NOT EXISTS names jsonb,
                           ADD COLUMN IF NOT EXISTS refused text;
COMMENT ON COLUMN meta.watermark.refused IS 'Why the last merge of a capture that goes on was refused; null once one was done.';
