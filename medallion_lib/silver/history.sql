-- A history that no guest's SQL makes: of the columns that its table has at the source.
CREATE SCHEMA IF NOT EXISTS {schema};
GRANT USAGE ON SCHEMA {schema} TO medallion_notebook;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO medallion_notebook;
CREATE TABLE {history} ({columns}, PRIMARY KEY ({key})) {partitions};
COMMENT ON TABLE {history} IS {meaning};
{comments}
CALL meta.make_versioned({history_name}, {meaning_now}, {is_strict});
