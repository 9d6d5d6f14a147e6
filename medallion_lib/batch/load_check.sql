-- What the incoming rows say. Most are as they were: their text alone tells, and they are not read.
CREATE TEMPORARY TABLE differing ON COMMIT DROP AS
SELECT incoming.*, {key_fault} AS br_key_fault, coalesce({key_fault}, {faults}) AS br_fault
FROM pg_temp.incoming
CROSS JOIN LATERAL (SELECT meta.row_hash(jsonb_object({names}, ARRAY[{columns}]))) AS as_written (hash)
WHERE NOT EXISTS (
    SELECT FROM {table} AS now
    WHERE now.br_is_current AND now.{key} = incoming.{key} AND now.br_record_hash = as_written.hash
);

-- Every key that the file names, however often, as PostgreSQL prints it.
CREATE TEMPORARY TABLE named ON COMMIT DROP AS
SELECT br_line, CASE WHEN differing.br_line IS NULL THEN incoming.{key}
                     WHEN differing.br_key_fault IS NULL THEN {read_key} END AS br_key
FROM pg_temp.incoming
LEFT JOIN pg_temp.differing USING (br_line);

CREATE TEMPORARY TABLE doubled ON COMMIT DROP AS
SELECT br_key FROM pg_temp.named WHERE br_key IS NOT NULL GROUP BY br_key HAVING count(*) > 1;

-- The rows to land, as PostgreSQL prints their values, however the file wrote them.
CREATE TEMPORARY TABLE reading ON COMMIT DROP AS
SELECT read.*, meta.row_hash(jsonb_object({names}, ARRAY[{columns}])) AS br_record_hash
FROM (SELECT br_line, {read} FROM pg_temp.differing AS incoming WHERE br_fault IS NULL) AS read;

CREATE TEMPORARY TABLE landing ON COMMIT DROP AS
SELECT reading.*
FROM pg_temp.reading
WHERE NOT EXISTS (SELECT FROM pg_temp.doubled WHERE doubled.br_key = reading.{key})
  AND NOT EXISTS (
      SELECT FROM {table} AS now
      WHERE now.br_is_current AND now.{key} = reading.{key}
        AND now.br_record_hash = reading.br_record_hash
  );
