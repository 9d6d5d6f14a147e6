-- This role, whether there is a slot of this name, and whether the role may publish these tables.
SELECT rolname,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(name)s),
       rolsuper OR has_database_privilege(current_database(), 'CREATE') AND NOT EXISTS (
           SELECT FROM json_to_recordset(%(captured)s) AS captured (schema text, name text)
           JOIN pg_namespace ON nspname = schema
           JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid
           WHERE NOT pg_has_role(relowner, 'USAGE'))
FROM pg_roles
WHERE rolname = current_user
