CREATE OR REPLACE FUNCTION {function}("as of" timestamptz)
    RETURNS SETOF {relation}
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS {body};
COMMENT ON FUNCTION {function}(timestamptz) IS {comment};
