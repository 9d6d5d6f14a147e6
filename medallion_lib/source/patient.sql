-- A whole table is read at the source's leisure: what its role is limited by would end that half-way.
SELECT set_config(name, '0', true)
FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
