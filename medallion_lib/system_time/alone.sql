-- Until the transaction ends: nobody else makes this role's functions, and the catalog prints every
-- name in full.
SELECT set_config('search_path', '', true), pg_advisory_xact_lock(hashtext('FOR SYSTEM_TIME ' || current_user))
