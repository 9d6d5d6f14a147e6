-- How far back a history goes: DELETE HISTORY FROM t BEFORE SYSTEM_TIME x takes what ended by then, for
-- good. Who asks for an earlier instant is told, by the functions themselves, so in any client; which
-- tables have a horizon is known when the functions are made, and the others cost nothing more.
CREATE TABLE IF NOT EXISTS meta.horizon (
    relation regclass PRIMARY KEY,
    since    timestamptz NOT NULL
);
COMMENT ON TABLE meta.horizon IS 'One row for each table whose older versions were deleted.';
COMMENT ON COLUMN meta.horizon.relation IS 'The table.';
COMMENT ON COLUMN meta.horizon.since IS 'From when on its history is whole; of what was before, versions are missing.';

ALTER TABLE meta.horizon ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS anybody ON meta.horizon;
DROP POLICY IF EXISTS owner ON meta.horizon;
CREATE POLICY anybody ON meta.horizon FOR SELECT USING (true);
CREATE POLICY owner ON meta.horizon USING (
    (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE pg_class.oid = relation));
GRANT SELECT, INSERT, UPDATE ON meta.horizon TO PUBLIC;

-- IMMUTABLE, so that of a given instant it is asked once, as the statement is planned.
CREATE OR REPLACE FUNCTION meta.is_kept(asked timestamptz, since timestamptz, history text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    told constant text := meta.refusal('history deleted', 'table', history, 'since', since::text, 'asked', asked::text);
BEGIN
    IF asked < since THEN
        RAISE EXCEPTION USING ERRCODE = 'ST001', MESSAGE = split_part(told, E'\n', 1), HINT = split_part(told, E'\n', 2);
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION meta.is_kept IS 'True; an error for an instant from before a table''s history is whole.';

CREATE OR REPLACE FUNCTION meta.horizon_condition(versioned oid, asked text) RETURNS text
    LANGUAGE sql STABLE
    RETURN coalesce((
        SELECT format(' AND meta.is_kept(%s, %L, %L)', asked, since, relation)
        FROM meta.horizon
        WHERE relation = versioned AND asked <> ''), '');
COMMENT ON FUNCTION meta.horizon_condition IS 'What a function behind FOR SYSTEM_TIME has to ask of its first instant, where older versions were deleted.';

CREATE OR REPLACE PROCEDURE meta.delete_history("table" regclass, before timestamptz DEFAULT transaction_timestamp())
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    versioned constant regclass := "table";
    until constant timestamptz := least(before, transaction_timestamp());
    history regclass := versioned;
    versions text;
BEGIN
    IF before IS NULL OR NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = versioned AND attname = 'sys_end'
           AND (SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = versioned)) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal('no history to delete', 'table', versioned::text);
    END IF;
    IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = versioned) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be owner of table %s', versioned);
    END IF;
    INSERT INTO meta.horizon AS known VALUES (versioned, until)
    ON CONFLICT (relation) DO UPDATE SET since = greatest(known.since, excluded.since);
    IF to_regproc('meta.history_of') IS NOT NULL THEN
        history := coalesce(meta.history_of(versioned), versioned);
        versions := meta.versions_of(versioned);
    END IF;
    EXECUTE format('DELETE FROM %s WHERE sys_end <= $1', history) USING until;
    CALL meta.make_functions(versioned, versions);
END $$;
COMMENT ON PROCEDURE meta.delete_history IS 'Deletes the versions of a table that ended by an instant, for good, for its owner; whoever asks for an earlier one is told.';
