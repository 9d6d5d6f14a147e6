INSERT INTO meta.warehouse (version, tables)
VALUES (%(version)s, %(tables)s)
ON CONFLICT (is_only) DO UPDATE
SET version = excluded.version, tables = excluded.tables
WHERE (warehouse.version, warehouse.tables) IS DISTINCT FROM (excluded.version, excluded.tables)
