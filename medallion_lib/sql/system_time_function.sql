CREATE OR REPLACE FUNCTION {function}("as of" timestamptz)
    RETURNS SETOF {relation}
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC {query}; END;
COMMENT ON FUNCTION {function}(timestamptz) IS
    'The rows as of an instant: what FOR SYSTEM_TIME AS OF reads.';
