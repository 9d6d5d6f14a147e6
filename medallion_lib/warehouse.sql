-- The warehouse: three layers, the watermark, and the schema a notebook may write to.
CREATE EXTENSION btree_gist SCHEMA public;  -- for WITHOUT OVERLAPS

CREATE SCHEMA bronze;
CREATE SCHEMA silver;
CREATE SCHEMA gold;
CREATE SCHEMA meta;
CREATE SCHEMA scratch;
COMMENT ON SCHEMA bronze IS 'What the source committed: every change, in order, as it came out of the write-ahead log.';
COMMENT ON SCHEMA silver IS 'What was known when: one row per version of each row of the source.';
COMMENT ON SCHEMA gold IS 'What the business reads: marts, each a view over the current state of silver.';
COMMENT ON SCHEMA meta IS 'What the warehouse is made for, and how far capture and merge have come.';
COMMENT ON SCHEMA scratch IS 'What a notebook makes; the only schema its role may write to.';

CREATE TABLE meta.watermark (
    stage          text PRIMARY KEY CHECK (stage IN ('capture', 'merge')),
    lsn            bigint NOT NULL,
    commit_ts      timestamptz,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    slot           text,
    source_system  bigint,
    source_name    text,
    publication    text,
    business_time  boolean NOT NULL DEFAULT false,
    ahead          bigint NOT NULL DEFAULT 0,
    names          jsonb,
    refused        text
);
COMMENT ON TABLE meta.watermark IS 'One row for capture and one for merge: the position up to which each is complete.';
COMMENT ON COLUMN meta.watermark.stage IS 'capture (source to bronze) or merge (bronze to silver).';
COMMENT ON COLUMN meta.watermark.lsn IS 'Every transaction that ends at or before this position of the source''s write-ahead log is in.';
COMMENT ON COLUMN meta.watermark.commit_ts IS 'System time of the last transaction that is in. For merge: history is final up to here.';
COMMENT ON COLUMN meta.watermark.updated_at IS 'When this row was last written, by the warehouse''s clock.';
COMMENT ON COLUMN meta.watermark.slot IS 'The replication slot that capture reads; null for merge.';
COMMENT ON COLUMN meta.watermark.source_system IS 'The source server''s system identifier; null for merge.';
COMMENT ON COLUMN meta.watermark.source_name IS 'The source database; null for merge.';
COMMENT ON COLUMN meta.watermark.publication IS 'The source''s publication when capture began, so that capture notices a later change of it; null for merge.';
COMMENT ON COLUMN meta.watermark.ahead IS 'How far positions here are ahead of the source''s log: 0 unless it went back, or is another one.';
COMMENT ON COLUMN meta.watermark.names IS 'What each name of the source''s columns and enum labels meant, so that capture notices a name that means something else; null for merge.';
COMMENT ON COLUMN meta.watermark.refused IS 'Why the last merge of a capture that goes on was refused; null once one was done.';
COMMENT ON COLUMN meta.watermark.business_time IS 'Whether business time sent by the source is trusted: only for a source that reset made.';

-- Whoever writes to a table that keeps its versions runs its triggers.
GRANT USAGE ON SCHEMA meta TO PUBLIC;
GRANT USAGE ON SCHEMA bronze, silver, gold, meta, scratch TO medallion_notebook;
GRANT CREATE ON SCHEMA scratch TO medallion_notebook;
ALTER DEFAULT PRIVILEGES IN SCHEMA bronze, silver, gold, meta GRANT SELECT ON TABLES TO medallion_notebook;
GRANT SELECT ON ALL TABLES IN SCHEMA meta TO medallion_notebook;
