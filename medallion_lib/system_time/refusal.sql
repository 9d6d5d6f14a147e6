-- The function's comment is the reason it raises.
CREATE OR REPLACE FUNCTION {function}({parameters})
    RETURNS SETOF {relation}
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $$
DECLARE
    function oid;
BEGIN
    GET DIAGNOSTICS function = PG_ROUTINE_OID;
    RAISE EXCEPTION USING
        ERRCODE = 'ST001',
        MESSAGE = coalesce(pg_catalog.obj_description(function, 'pg_proc'), 'It has no history.'),
        HINT = 'For today''s rows, leave FOR SYSTEM_TIME out.';
END
$$;
COMMENT ON FUNCTION {function}({types}) IS {comment};
