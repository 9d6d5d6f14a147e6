SELECT version, tables FROM meta.warehouse
