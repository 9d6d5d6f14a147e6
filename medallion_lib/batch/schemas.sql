-- What landing by files needs beside the layers there are: made when asked for, kept when asked again.
CREATE SCHEMA IF NOT EXISTS bronze_batch;
CREATE SCHEMA IF NOT EXISTS silver_batch;
COMMENT ON SCHEMA bronze_batch IS 'What the nightly extracts held: each row once, until an extract has another or none.';
COMMENT ON SCHEMA silver_batch IS 'What was known when, as the nightly extracts tell it: the tables of silver, fed by files.';
GRANT USAGE ON SCHEMA bronze_batch, silver_batch TO medallion_notebook;
ALTER DEFAULT PRIVILEGES IN SCHEMA bronze_batch, silver_batch
    GRANT SELECT ON TABLES TO medallion_notebook;

CREATE TABLE IF NOT EXISTS bronze_batch.source_column (
    source       text NOT NULL,
    place        integer NOT NULL,
    name         text NOT NULL,
    type         text NOT NULL,
    plain_type   text NOT NULL,
    is_required  boolean NOT NULL,
    PRIMARY KEY (source, name)
);
COMMENT ON TABLE bronze_batch.source_column IS 'The columns an extract must have, and the types its values must read as.';
COMMENT ON COLUMN bronze_batch.source_column.source IS 'The source table.';
COMMENT ON COLUMN bronze_batch.source_column.place IS 'The column''s place in it.';
COMMENT ON COLUMN bronze_batch.source_column.name IS 'The column.';
COMMENT ON COLUMN bronze_batch.source_column.type IS 'Its type; a type of the source''s own is text here.';
COMMENT ON COLUMN bronze_batch.source_column.plain_type IS 'The type without length or precision.';
COMMENT ON COLUMN bronze_batch.source_column.is_required IS 'Whether the source forbids null.';

CREATE TABLE IF NOT EXISTS bronze_batch.file (
    source        text NOT NULL,
    br_batch_id   bigint NOT NULL,
    name          text NOT NULL,
    sha256        text NOT NULL,
    extracted_at  timestamptz NOT NULL,
    rows          integer NOT NULL,
    landed        integer NOT NULL,
    ended         integer NOT NULL,
    set_aside     integer NOT NULL,
    load_time     timestamptz NOT NULL DEFAULT now(),
    is_merged     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (source, br_batch_id)
);
COMMENT ON TABLE bronze_batch.file IS 'Every file that was loaded: one a table and extract.';
COMMENT ON COLUMN bronze_batch.file.source IS 'The source table.';
COMMENT ON COLUMN bronze_batch.file.br_batch_id IS 'The extract: its instant, as digits to the millisecond (UTC).';
COMMENT ON COLUMN bronze_batch.file.name IS 'The file, with the directory it lay in.';
COMMENT ON COLUMN bronze_batch.file.sha256 IS 'SHA-256 of what it held.';
COMMENT ON COLUMN bronze_batch.file.extracted_at IS 'The instant whose rows it holds, as the source had them.';
COMMENT ON COLUMN bronze_batch.file.rows IS 'Rows it holds.';
COMMENT ON COLUMN bronze_batch.file.landed IS 'Rows of it that are new or other than before.';
COMMENT ON COLUMN bronze_batch.file.ended IS 'Rows that were there before and are not in it.';
COMMENT ON COLUMN bronze_batch.file.set_aside IS 'Rows of it that are in quarantine.';
COMMENT ON COLUMN bronze_batch.file.load_time IS 'When it was loaded.';
COMMENT ON COLUMN bronze_batch.file.is_merged IS 'Whether it is in silver_batch.';

CREATE TABLE IF NOT EXISTS bronze_batch.quarantine (
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file           text NOT NULL,
    sha256         text NOT NULL,
    line           integer,
    raw            text,
    reason         text NOT NULL,
    set_aside_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bronze_batch.quarantine IS 'Rows and whole files that could not be loaded, and why.';
COMMENT ON COLUMN bronze_batch.quarantine.quarantine_id IS 'A number of its own.';
COMMENT ON COLUMN bronze_batch.quarantine.file IS 'The file, with the directory it lay in.';
COMMENT ON COLUMN bronze_batch.quarantine.sha256 IS 'SHA-256 of what the file held.';
COMMENT ON COLUMN bronze_batch.quarantine.line IS 'The line a row begins in, in Parquet its row, from 1; null for a whole file.';
COMMENT ON COLUMN bronze_batch.quarantine.raw IS 'The row as the file has it; of Parquet, as JSON; null for a whole file.';
COMMENT ON COLUMN bronze_batch.quarantine.reason IS 'What is wrong with it.';
COMMENT ON COLUMN bronze_batch.quarantine.set_aside_at IS 'When it was set aside.';
