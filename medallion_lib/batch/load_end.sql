-- Rows that the extract no longer has.
UPDATE {table} AS now
SET br_is_current = false, br_ended_batch_id = %(batch)s
WHERE br_is_current
  AND NOT EXISTS (SELECT FROM pg_temp.named WHERE named.br_key = now.{key})
