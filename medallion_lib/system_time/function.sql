CREATE OR REPLACE FUNCTION {function}({parameters})
    RETURNS SETOF {relation}
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC {query}; END;
COMMENT ON FUNCTION {function}({types}) IS 'What FOR SYSTEM_TIME {form} reads.';
