-- The server's and the database's own names for themselves, and whether changes are published.
SELECT control.system_identifier,
       current_database(),
       EXISTS (SELECT FROM pg_publication WHERE pubname = %(publication)s) AS is_published
FROM pg_control_system() AS control
