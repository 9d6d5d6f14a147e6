-- What a server must have, and whether it does; each with how to mend it.
WITH server AS (
    SELECT current_setting('server_version_num')::integer AS number,
           current_setting('server_version') AS version,
           current_setting('wal_level') AS wal_level,
           rolname,
           rolsuper OR (rolcreatedb AND rolcreaterole AND rolreplication) AS is_allowed,
           EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') AS has_gist
    FROM pg_roles
    WHERE rolname = current_user
)
SELECT format(E'It is PostgreSQL %s; 18 or newer is needed.\n'
              '    Name a newer one, or unset MEDALLION_SERVER_URL for the embedded server.', version)
FROM server WHERE number < 180000
UNION ALL
SELECT format(E'Its wal_level is %s; capture needs logical. As a superuser:\n'
              '    ALTER SYSTEM SET wal_level = ''logical'';  -- then restart the server', wal_level)
FROM server WHERE wal_level <> 'logical'
UNION ALL
SELECT format(E'Role %s lacks rights. As a superuser:\n'
              '    ALTER ROLE %1$I CREATEDB CREATEROLE REPLICATION;', rolname)
FROM server WHERE NOT is_allowed
UNION ALL
SELECT 'It lacks the extension btree_gist: install PostgreSQL''s contrib package.'
FROM server WHERE NOT has_gist
