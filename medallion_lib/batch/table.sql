-- One bronze table fed by files. A row stands once, however many extracts in a row have held it.
CREATE TABLE IF NOT EXISTS {table} (
    br_id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    br_load_time       timestamptz NOT NULL DEFAULT now(),
    br_source_file     text NOT NULL,
    br_batch_id        bigint NOT NULL,
    br_record_hash     bigint NOT NULL,
    br_is_current      boolean NOT NULL DEFAULT true,
    br_ended_batch_id  bigint,
    CHECK (br_is_current = (br_ended_batch_id IS NULL)),
    CHECK (br_batch_id < br_ended_batch_id)
);
ALTER TABLE {table} {columns};
CREATE UNIQUE INDEX IF NOT EXISTS {current_index} ON {table} ({key}) WHERE br_is_current;
CREATE INDEX IF NOT EXISTS {key_index} ON {table} ({key}, br_batch_id);
CREATE INDEX IF NOT EXISTS {landed_index} ON {table} (br_batch_id);
CREATE INDEX IF NOT EXISTS {ended_index} ON {table} (br_ended_batch_id);
COMMENT ON TABLE {table} IS {meaning};
COMMENT ON COLUMN {table}.br_id IS 'Surrogate key.';
COMMENT ON COLUMN {table}.br_load_time IS 'When the row landed.';
COMMENT ON COLUMN {table}.br_source_file IS 'The file it came in first.';
COMMENT ON COLUMN {table}.br_batch_id IS 'The extract that had it first: its instant, as digits to the millisecond (UTC).';
COMMENT ON COLUMN {table}.br_record_hash IS 'A number made from all its values: a row with the same one does not land again.';
COMMENT ON COLUMN {table}.br_is_current IS 'Whether the last extract had it.';
COMMENT ON COLUMN {table}.br_ended_batch_id IS 'The extract that had another row of this key, or none; null while it is current.';

-- What each extract changed against the one before it, in the form of bronze's tables.
CREATE OR REPLACE VIEW {events} AS
SELECT landed.br_batch_id AS lsn, landed.br_id AS seq,
       CASE WHEN EXISTS (
           SELECT FROM {table} AS before
           WHERE before.{key} = landed.{key} AND before.br_ended_batch_id = landed.br_batch_id
       ) THEN 'U' ELSE 'I' END AS op,
       (SELECT to_jsonb(value.*) FROM (SELECT {values}) AS value) AS full_row,
       file.extracted_at AS commit_ts,
       landed.br_load_time AS load_ts
FROM {table} AS landed
JOIN bronze_batch.file ON file.source = {source} AND file.br_batch_id = landed.br_batch_id
UNION ALL
SELECT landed.br_ended_batch_id, landed.br_id, 'D',
       (SELECT to_jsonb(value.*) FROM (SELECT {values}) AS value), file.extracted_at, file.load_time
FROM {table} AS landed
JOIN bronze_batch.file ON file.source = {source} AND file.br_batch_id = landed.br_ended_batch_id
WHERE NOT EXISTS (
    SELECT FROM {table} AS after
    WHERE after.{key} = landed.{key} AND after.br_batch_id = landed.br_ended_batch_id
);
COMMENT ON VIEW {events} IS {events_meaning};
COMMENT ON COLUMN {events}.lsn IS 'The extract: its instant, as digits. It takes the place of a position in a log.';
COMMENT ON COLUMN {events}.seq IS 'The row''s surrogate key. An extract has no order of its own.';
COMMENT ON COLUMN {events}.op IS 'I for a key the extract before had not, U for another row, D for a key that is gone.';
COMMENT ON COLUMN {events}.full_row IS 'The row as JSON; for D as it last was.';
COMMENT ON COLUMN {events}.commit_ts IS 'The extract''s instant. When it happened before that is not known.';
COMMENT ON COLUMN {events}.load_ts IS 'When the file was loaded.';
