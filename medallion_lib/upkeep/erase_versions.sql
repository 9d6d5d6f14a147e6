INSERT INTO {silver} ({columns}, row_hash, sys_start, sys_end)
SELECT {columns}, row_hash, sys_start, sys_end FROM ({history}) AS version
