-- The server's and the database's own names for themselves.
SELECT control.system_identifier, current_database()
FROM pg_control_system() AS control
