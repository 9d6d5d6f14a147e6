-- What `marts` keeps stays: who keeps the tables may have read them long before.
INSERT INTO meta.warehouse (version, tables)
VALUES (%(version)s, %(tables)s)
ON CONFLICT (is_only) DO UPDATE
SET version = excluded.version,
    tables = excluded.tables || jsonb_build_object('own', warehouse.tables -> 'own')
WHERE (warehouse.version, warehouse.tables - 'own') IS DISTINCT FROM (excluded.version, excluded.tables)
