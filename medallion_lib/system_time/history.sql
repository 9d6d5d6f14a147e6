-- The table beside one that versions itself: its closed versions, in columns of the same numbers.
-- All of this is SECURITY DEFINER, and for anybody to call: it makes history like its table, and no more.

-- A policy finds the table by its row in history.tables: a number of its own would be another table's in
-- a backup that is restored, and a name would keep the table from being dropped.
CREATE OR REPLACE PROCEDURE meta.guard_history(history regclass)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    versioned constant text := format('(SELECT versioned::oid FROM history.tables WHERE history = %L::regclass)', history);
BEGIN
    IF NOT EXISTS (SELECT FROM history.tables AS it WHERE it.history = guard_history.history) THEN
        RETURN;
    END IF;
    EXECUTE format('DROP POLICY IF EXISTS reader ON %1$s; DROP POLICY IF EXISTS owner ON %1$s; '
                   'DROP POLICY IF EXISTS horizon ON %1$s', history);
    EXECUTE format('CREATE POLICY reader ON %s FOR SELECT USING '
                   '(has_table_privilege(%s, ''SELECT'') AND NOT row_security_active(%2$s))', history, versioned);
    EXECUTE format('CREATE POLICY owner ON %s FOR INSERT WITH CHECK (meta.owns(%s) AND NOT meta.is_system_versioned(%2$s))',
                   history, versioned);
    -- What is deleted, whoever asks for it is told by then.
    EXECUTE format('CREATE POLICY horizon ON %s FOR DELETE USING (meta.owns(%s) AND sys_end <= ('
                   'SELECT since FROM meta.horizon WHERE relation = %2$s))', history, versioned);
END $$;
COMMENT ON PROCEDURE meta.guard_history IS 'Lets a table of closed versions be read as its table is now, and be written by its owner while no versions are kept.';

DO $$
DECLARE
    one regclass;
BEGIN
    FOR one IN SELECT history FROM history.tables LOOP
        CALL meta.guard_history(one);
    END LOOP;
END $$;

-- A domain's check could be a user's function, so history has the type below. Of who may read what
-- the table has now, history asks the table each time.
CREATE OR REPLACE PROCEDURE meta.make_history(versioned regclass)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    history text := (SELECT format('history.%I', meta.free_history_name(versioned)));
BEGIN
    IF meta.history_of(versioned) IS NOT NULL OR NOT EXISTS (
        SELECT FROM pg_class WHERE oid = versioned AND relkind = 'r' AND relnamespace = 'scratch'::regnamespace) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %s ()', history);
    INSERT INTO history.tables (versioned, history) VALUES (versioned, history::regclass);
    CALL meta.follow_columns(versioned);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', history);
    CALL meta.guard_history(history);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON %s TO PUBLIC', history);
    EXECUTE format('COMMENT ON TABLE %s IS %L', history, format('The closed versions of %s.', versioned));
END $$;
COMMENT ON PROCEDURE meta.make_history IS 'Makes the table of a table''s closed versions, where there is none.';

CREATE OR REPLACE FUNCTION meta.free_history_name(versioned regclass) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT relname || CASE n WHEN 0 THEN '' ELSE '_' || n END
        FROM pg_class
        CROSS JOIN generate_series(0, 1000) AS n
        WHERE oid = versioned AND NOT EXISTS (
            SELECT FROM pg_class AS other
            WHERE relnamespace = to_regnamespace('history') AND oid IS DISTINCT FROM meta.history_of(versioned)
              AND other.relname = pg_class.relname || CASE n WHEN 0 THEN '' ELSE '_' || n END)
        ORDER BY n
        LIMIT 1
    );
COMMENT ON FUNCTION meta.free_history_name IS 'What the table of a table''s closed versions is called: as the table, with a number where another has that name.';

-- A column that comes with a value brings it for closed versions, too, where it is of a type that runs
-- nothing of a user's.
CREATE OR REPLACE FUNCTION meta.history_columns(
    versioned regclass, OUT number smallint, OUT name text, OUT is_gone boolean, OUT type text, OUT declared text,
    OUT has_value boolean, OUT kept_name text, OUT kept_type text, OUT is_kept boolean, OUT is_built_in boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT
            its.attnum, CASE WHEN its.attisdropped THEN 'gone ' || its.attnum ELSE its.attname END,
            its.attisdropped, base.type,
            format('ADD COLUMN %I %s%s%s', CASE WHEN its.attisdropped THEN 'gone ' || its.attnum ELSE its.attname END,
                   base.type, CASE WHEN NOT its.attisdropped THEN ' COLLATE ' || nullif(its.attcollation, 0)::regcollation END,
                   CASE WHEN its.attname = 'sys_period' AND its.attgenerated = 's'
                        THEN ' GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED'
                        WHEN its.attgenerated = 'v' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', pg_get_expr(adbin, adrelid))
                        WHEN its.atthasmissing AND type.typnamespace = 'pg_catalog'::regnamespace
                        THEN format(' DEFAULT %L', (its.attmissingval::text::text[])[1])
                   END),
            its.atthasmissing AND its.attgenerated = '',
            kept.attname, format_type(kept.atttypid, kept.atttypmod), NOT kept.attisdropped,
            its.atttypid < 16384 AND kept.atttypid < 16384
        FROM pg_attribute AS its
        LEFT JOIN pg_type AS type ON type.oid = its.atttypid
        LEFT JOIN pg_attrdef ON adrelid = its.attrelid AND adnum = its.attnum
        LEFT JOIN pg_attribute AS kept ON kept.attrelid = meta.history_of(versioned) AND kept.attnum = its.attnum
        CROSS JOIN LATERAL (
            SELECT CASE WHEN its.attisdropped THEN 'integer'
                        WHEN type.typtype = 'd' THEN format_type(pg_basetype(its.atttypid), -1)
                        ELSE format_type(its.atttypid, its.atttypmod) END AS type) AS base
        WHERE its.attrelid = versioned AND its.attnum > 0
        ORDER BY its.attnum;
    END;
COMMENT ON FUNCTION meta.history_columns IS 'The columns of a table, each beside the one of its closed versions that has its number.';

CREATE OR REPLACE PROCEDURE meta.follow_columns(versioned regclass)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    history constant regclass := meta.history_of(versioned);
    one record;
    added text;
    is_empty boolean;
BEGIN
    FOR one IN SELECT * FROM meta.history_columns(versioned) WHERE is_gone AND is_kept ORDER BY number DESC LOOP
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', history, one.kept_name);
    END LOOP;
    -- Names may have changed places.
    FOR one IN SELECT * FROM meta.history_columns(versioned) WHERE is_kept AND name <> kept_name LOOP
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, one.kept_name, 'moved ' || one.number);
    END LOOP;
    FOR one IN SELECT * FROM meta.history_columns(versioned) WHERE is_kept AND name <> kept_name LOOP
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, one.kept_name, one.name);
    END LOOP;
    SELECT string_agg(declared, ', ' ORDER BY number) INTO added
    FROM meta.history_columns(versioned) WHERE kept_name IS NULL;
    IF added IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', history, added);
        SELECT string_agg(CASE WHEN is_gone THEN format('DROP COLUMN %I', name)
                               ELSE format('ALTER COLUMN %I DROP DEFAULT', name) END, ', ') INTO added
        FROM meta.history_columns(versioned)
        WHERE is_kept AND (is_gone OR has_value);
        IF added IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s %s', history, added);
        END IF;
    END IF;
    FOR one IN SELECT * FROM meta.history_columns(versioned) WHERE is_kept AND type <> kept_type LOOP
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', history) INTO is_empty;
        IF NOT (is_empty OR one.is_built_in) THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                'versions of another type', 'table', versioned::text, 'column', one.name, 'type', one.kept_type);
        END IF;
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %s', history, one.name, one.type,
                       CASE WHEN is_empty THEN 'NULL' ELSE format('%I::%s', one.name, one.type) END);
    END LOOP;
    CALL meta.follow_key(versioned);
END $$;
COMMENT ON PROCEDURE meta.follow_columns IS 'Gives closed versions the columns that their table has now.';

CREATE OR REPLACE PROCEDURE meta.follow_key(versioned regclass)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    history constant regclass := meta.history_of(versioned);
    columns constant text := format('(%s, sys_end)', array_to_string(meta.versioned_key(versioned), ', '));
    other regclass;
BEGIN
    FOR other IN
        SELECT indexrelid FROM pg_index
        WHERE indrelid = history AND right(pg_get_indexdef(indexrelid), length(columns)) <> columns
    LOOP
        EXECUTE format('DROP INDEX %s', other);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = history) THEN
        EXECUTE format('CREATE INDEX ON %s %s', history, columns);
    END IF;
END $$;
COMMENT ON PROCEDURE meta.follow_key IS 'Has closed versions found by the key that their table has now.';

CREATE OR REPLACE PROCEDURE meta.follow_name(versioned regclass)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    name constant text := meta.free_history_name(versioned);
BEGIN
    IF name <> (SELECT relname FROM pg_class WHERE oid = meta.history_of(versioned)) THEN
        EXECUTE format('ALTER TABLE %s RENAME TO %I', meta.history_of(versioned), name);
        EXECUTE format('COMMENT ON TABLE %s IS %L', meta.history_of(versioned),
                       format('The closed versions of %s.', versioned));
    END IF;
END $$;
COMMENT ON PROCEDURE meta.follow_name IS 'Has the table of closed versions called as its table is now.';

-- What a user has made of it stays, and so does it.
CREATE OR REPLACE PROCEDURE meta.drop_orphaned_history()
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT versioned, history FROM history.tables
        WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = versioned)
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s', one.history);
        DELETE FROM history.tables WHERE versioned = one.versioned;
    END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
    NULL;
END $$;
COMMENT ON PROCEDURE meta.drop_orphaned_history IS 'Drops the closed versions of tables that are dropped.';

CREATE OR REPLACE PROCEDURE meta.follow_tables()
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one regclass;
BEGIN
    CALL meta.drop_orphaned_history();
    FOR one IN SELECT versioned FROM history.tables LOOP
        CALL meta.follow_name(one);
        CALL meta.follow_columns(one);
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.follow_tables IS 'Has closed versions follow what became of their tables without the hook.';
