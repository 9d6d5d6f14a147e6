-- Where a warehouse keeps its tables.
CREATE TABLE meta.warehouse (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version  integer NOT NULL,
    tables   jsonb NOT NULL
);
COMMENT ON TABLE meta.warehouse IS 'One row: what this warehouse is made for.';
COMMENT ON COLUMN meta.warehouse.is_only IS 'Always true, so that there is one row.';
COMMENT ON COLUMN meta.warehouse.version IS 'Of the form of meta and silver; another version of the code says what to do.';
COMMENT ON COLUMN meta.warehouse.tables IS 'The tables: their names and keys at the source, in bronze and in silver, and the SQL that makes silver and gold of them; the user''s own marts, too.';
GRANT SELECT ON meta.warehouse TO medallion_notebook;
