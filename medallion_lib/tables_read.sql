SELECT version, tables::text FROM meta.warehouse
