-- A message in the log that no transaction holds back. The commit of a numbered transaction flushes all
-- before it: PostgreSQL 17 has a parameter of the message for that, and earlier ones have none.
SELECT set_config('synchronous_commit', 'local', true),
       pg_logical_emit_message(false, %(prefix)s, %(content)s),
       pg_current_xact_id()
