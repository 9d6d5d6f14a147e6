-- One bronze table. Append only; (lsn, seq) is the only order anything relies on.
CREATE SCHEMA IF NOT EXISTS {schema};
GRANT USAGE ON SCHEMA {schema} TO medallion_notebook;
CREATE TABLE {table} (
    lsn        bigint NOT NULL,
    seq        integer NOT NULL,
    op         char(1) NOT NULL CHECK (op IN ('R', 'I', 'U', 'D', 'T')),
    full_row   jsonb,
    commit_ts  timestamptz NOT NULL,
    load_ts    timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON {table} TO medallion_notebook;
COMMENT ON TABLE {table} IS {meaning};
COMMENT ON COLUMN {table}.lsn IS 'Commit position of the source transaction in its write-ahead log.';
COMMENT ON COLUMN {table}.seq IS 'Place of the change within its transaction.';
COMMENT ON COLUMN {table}.op IS 'I insert, U update, D delete, T truncate, R row read by a snapshot.';
COMMENT ON COLUMN {table}.full_row IS 'The row as JSON: after the change; for D, as it last was; for T, null.';
COMMENT ON COLUMN {table}.commit_ts IS 'System time of the transaction: its commit at the source, never earlier than the one before.';
COMMENT ON COLUMN {table}.load_ts IS 'When the change landed here.';
