-- Rows that are new, or other than before. What they replace is ended first.
UPDATE {table} AS now
SET br_is_current = false, br_ended_batch_id = %(batch)s
FROM pg_temp.landing
WHERE now.br_is_current AND now.{key} = landing.{key};

INSERT INTO {table} (br_source_file, br_batch_id, br_record_hash, {columns})
SELECT %(file)s, %(batch)s, br_record_hash, {columns}
FROM pg_temp.landing
ORDER BY br_line
