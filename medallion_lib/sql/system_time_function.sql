CREATE OR REPLACE FUNCTION {function}("as of" timestamptz)
    RETURNS SETOF {relation}
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC {query}; END;
COMMENT ON FUNCTION {function}(timestamptz) IS {comment};
