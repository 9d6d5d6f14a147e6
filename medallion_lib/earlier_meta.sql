-- What meta has since: see warehouse.sql.
CREATE TABLE meta.warehouse (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version  integer NOT NULL,
    tables   jsonb NOT NULL
);
GRANT SELECT ON meta.warehouse TO medallion_notebook;
ALTER TABLE meta.watermark DROP COLUMN IF EXISTS tables, ADD COLUMN IF NOT EXISTS names jsonb;
