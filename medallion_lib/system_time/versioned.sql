-- Making a table version itself, following what becomes of it, and ending that: as its owner.

-- A view hangs on the view of current rows, or on a function; a function on either, and on functions.
CREATE OR REPLACE FUNCTION meta.hanging_on(versioned oid) RETURNS TABLE (class oid, object oid, depth int)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        WITH RECURSIVE
        ours AS MATERIALIZED (SELECT * FROM meta.clause_functions()),
        edges AS MATERIALIZED (
            SELECT refclassid AS below_class, refobjid AS below, 'pg_class'::regclass::oid AS class, ev_class AS object
            FROM pg_depend JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
            JOIN pg_class ON pg_class.oid = ev_class AND relkind = 'v'
            WHERE ev_class <> refobjid
            UNION
            SELECT refclassid, refobjid, 'pg_proc'::regclass, objid
            FROM pg_depend JOIN ours ON function = objid
            WHERE classid = 'pg_proc'::regclass AND refclassid IN ('pg_proc'::regclass, 'pg_class'::regclass)
            UNION
            SELECT 'pg_class'::regclass, relation, 'pg_proc'::regclass, function FROM ours
        ),
        hanging AS (
            SELECT 'pg_class'::regclass::oid AS class, it.current_view::oid AS object, 0 AS depth
            FROM history.tables AS it
            JOIN pg_class ON pg_class.oid = it.current_view
            WHERE it.versioned = hanging_on.versioned
            UNION
            SELECT 'pg_proc'::regclass, function, 0 FROM ours WHERE relation = hanging_on.versioned
            UNION
            SELECT edges.class, edges.object, depth + 1
            FROM hanging JOIN edges ON (below_class, below) = (hanging.class, hanging.object)
        )
        SELECT class, object, max(depth) FROM hanging GROUP BY 1, 2;
    END;
COMMENT ON FUNCTION meta.hanging_on IS 'What hangs on a table''s view of current rows and on its functions, and how far above.';

-- PostgreSQL prints them behind the alias of a function: once one is gone, there would be too many.
CREATE OR REPLACE FUNCTION meta.without_columns(printed text, versioned oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    columns text;
BEGIN
    FOR columns IN
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM history.tables AS it
        JOIN pg_attribute ON attrelid IN (it.versioned, it.current_view)
        WHERE it.versioned = without_columns.versioned AND attnum > 0 AND NOT attisdropped
        GROUP BY attrelid
    LOOP
        printed := regexp_replace(
            printed, '(\) (?:"(?:[^"]|"")+"|\w+))\(' || regexp_replace(columns, '(\W)', '\\\1', 'g') || '\)', '\1', 'g');
    END LOOP;
    RETURN printed;
END $$;
COMMENT ON FUNCTION meta.without_columns IS 'A view''s query without the names of all columns where it reads a function of the table.';

-- The definitions are kept for this transaction. What is no view, PostgreSQL refuses to lose its ground.
CREATE OR REPLACE PROCEDURE meta.set_aside(versioned oid, with_views boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
    kept jsonb := coalesce(nullif(current_setting('medallion.set_aside', true), ''), '[]');
BEGIN
    FOR one IN
        SELECT hanging.*, reloptions, relacl
        FROM meta.hanging_on(versioned) AS hanging
        LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
        ORDER BY depth DESC, object DESC
    LOOP
        IF one.class = 'pg_proc'::regclass THEN
            EXECUTE format('DROP FUNCTION %s', one.object::regprocedure);
        ELSIF one.depth = 0 THEN
            EXECUTE format('DROP VIEW %s', one.object::regclass);
        ELSIF with_views THEN
            kept := jsonb_build_array(jsonb_build_object(
                'view', one.object::regclass, 'options', array_to_string(one.reloptions, ', '),
                'query', meta.without_columns(pg_get_viewdef(one.object), versioned), 'comment', obj_description(one.object, 'pg_class'),
                'comments', (SELECT jsonb_object_agg(quote_ident(attname), col_description(attrelid, attnum))
                             FROM pg_attribute
                             WHERE attrelid = one.object AND col_description(attrelid, attnum) IS NOT NULL),
                'grants', (SELECT jsonb_agg(format(
                               'GRANT %s ON %s TO %s%s', privilege_type, one.object::regclass,
                               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                               CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
                           FROM aclexplode(one.relacl)))) || kept;
            EXECUTE format('DROP VIEW %s', one.object::regclass);
        END IF;
    END LOOP;
    PERFORM set_config('medallion.set_aside', kept::text, true);
END $$;
COMMENT ON PROCEDURE meta.set_aside IS 'Drops what would keep a table from being changed: functions behind FOR SYSTEM_TIME, the view of current rows and, to be made again, views on it.';

CREATE OR REPLACE PROCEDURE meta.put_back(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
    said record;
BEGIN
    FOR one IN
        SELECT * FROM jsonb_to_recordset(coalesce(nullif(current_setting('medallion.set_aside', true), ''), '[]')::jsonb)
            AS kept (view text, options text, query text, comment text, comments jsonb, grants jsonb)
    LOOP
        BEGIN
            EXECUTE format('CREATE VIEW %s %s AS %s', one.view, 'WITH (' || one.options || ')', one.query);
        EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR undefined_object OR datatype_mismatch THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                'view reads it', 'table', versioned::text, 'view', one.view, 'reason', SQLERRM);
        END;
        EXECUTE format('COMMENT ON VIEW %s IS %L', one.view, one.comment);
        FOR said IN SELECT * FROM jsonb_each_text(one.comments) LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%s IS %L', one.view, said.key, said.value);
        END LOOP;
        FOR said IN SELECT * FROM jsonb_array_elements_text(one.grants) LOOP
            EXECUTE said.value;
        END LOOP;
    END LOOP;
    PERFORM set_config('medallion.set_aside', '', true);
END $$;
COMMENT ON PROCEDURE meta.put_back IS 'Makes the views again that were set aside.';

CREATE OR REPLACE FUNCTION meta.versions_of(versioned regclass) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT format(
            CASE WHEN is_kept THEN '(SELECT %1$s FROM %2$s UNION ALL SELECT %3$s FROM %4$s) AS version'
                 ELSE '(SELECT %3$s FROM %4$s) AS version' END,
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = it.versioned AND attnum > 0 AND NOT attisdropped),
            format('%I.%I', schema.nspname, relation.relname),
            (SELECT string_agg(CASE typtype WHEN 'd' THEN format('%1$I::%2$s AS %1$I', attname, format_type(atttypid, atttypmod))
                                            ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
             FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
             WHERE attrelid = it.versioned AND attnum > 0 AND NOT attisdropped),
            (SELECT format('history.%I', relname) FROM pg_class WHERE oid = it.history))
        FROM history.tables AS it
        JOIN pg_class AS relation ON relation.oid = it.versioned
        JOIN pg_namespace AS schema ON schema.oid = relnamespace
        WHERE it.versioned = versions_of.versioned
    );
COMMENT ON FUNCTION meta.versions_of IS 'What FOR SYSTEM_TIME reads of a table that versions itself: its rows and its closed versions; once its versioning has ended, the latter.';

-- As the table and its columns are called now, where they were renamed.
CREATE OR REPLACE PROCEDURE meta.rename_current_view(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    view constant regclass := (SELECT pg_class.oid FROM history.tables AS it JOIN pg_class ON pg_class.oid = current_view
                               WHERE it.versioned = rename_current_view.versioned);
    name constant text := (parse_ident(meta.current_view(versioned)))[2];
    columns jsonb;
    one record;
BEGIN
    IF name <> (SELECT relname FROM pg_class WHERE oid = view) THEN
        EXECUTE format('ALTER VIEW %s RENAME TO %I', view, name);
    END IF;
    SELECT jsonb_agg(jsonb_build_object('was', was, 'is_now', is_now)) INTO columns
    FROM (SELECT row_number() OVER (ORDER BY attnum) AS place, attname AS was
          FROM pg_attribute WHERE attrelid = view AND attnum > 0) AS were
    JOIN (SELECT row_number() OVER (ORDER BY attnum) AS place, attname AS is_now FROM pg_attribute
          WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('sys_end', 'sys_period')) AS are
    USING (place)
    WHERE was <> is_now;
    -- Names may have changed places.
    FOR one IN SELECT * FROM jsonb_to_recordset(columns) AS column_ (was text, is_now text) LOOP
        EXECUTE format('ALTER VIEW %s RENAME COLUMN %I TO %I', view, one.was, 'moved ' || one.was);
    END LOOP;
    FOR one IN SELECT * FROM jsonb_to_recordset(columns) AS column_ (was text, is_now text) LOOP
        EXECUTE format('ALTER VIEW %s RENAME COLUMN %I TO %I', view, 'moved ' || one.was, one.is_now);
    END LOOP;
    FOR one IN
        SELECT function::regprocedure AS function, relname || suffix AS name
        FROM meta.clause_functions()
        JOIN pg_class ON pg_class.oid = relation
        JOIN pg_proc ON pg_proc.oid = function
        WHERE relation IN (versioned, view) AND proname <> relname || suffix
        ORDER BY relation = view
    LOOP
        EXECUTE format('ALTER FUNCTION %s RENAME TO %I', one.function, one.name);
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.rename_current_view IS 'Has the view of current rows, its columns and the functions called as the table and its columns are now.';

CREATE OR REPLACE PROCEDURE meta.renew_current_view(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    view constant text := meta.current_view(versioned);
    missing text;
BEGIN
    SELECT string_agg(name, ', ') INTO missing
    FROM (VALUES ('sys_start'), ('sys_end')) AS needed (name)
    WHERE NOT meta.has_column(versioned, name);
    IF missing IS NULL AND meta.versioned_key(versioned) IS NULL THEN
        missing := 'PRIMARY KEY';
    END IF;
    missing := coalesce(missing, meta.missing_trigger(versioned));
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versioning taken apart', 'table', versioned::text, 'fact', missing);
    END IF;
    CALL meta.follow_name(versioned);
    CALL meta.follow_columns(versioned);
    CALL meta.rename_current_view(versioned);
    CALL meta.make_current_view(versioned);
    -- What anybody may do by it, the table decides.
    EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', view);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO PUBLIC', view);
    UPDATE history.tables AS it SET current_view = view::regclass
    WHERE it.versioned = renew_current_view.versioned AND it.current_view IS DISTINCT FROM view::regclass;
    CALL meta.comment_versions(versioned);
    CALL meta.make_functions(versioned, meta.versions_of(versioned));
    CALL meta.put_back(versioned);
END $$;
COMMENT ON PROCEDURE meta.renew_current_view IS 'Has closed versions, the view of current rows and the functions follow what the table is now.';

CREATE OR REPLACE FUNCTION meta.stored_columns(versioned regclass) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = meta.history_of(versioned) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attname <> 'sys_end'
    );
COMMENT ON FUNCTION meta.stored_columns IS 'The columns, quoted, that closed versions are written with beside sys_end.';

CREATE OR REPLACE PROCEDURE meta.move_closed(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    primary_key constant name := (
        SELECT conname FROM pg_constraint
        WHERE conrelid = versioned AND contype = 'p' AND EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = versioned AND attnum = ANY (conkey) AND attname IN ('sys_start', 'sys_end', 'sys_period')));
BEGIN
    EXECUTE format('INSERT INTO %s (%s, sys_end) SELECT %2$s, sys_end FROM %s WHERE sys_end < ''infinity''',
                   meta.history_of(versioned), meta.stored_columns(versioned), versioned);
    EXECUTE format('DELETE FROM %s WHERE sys_end < ''infinity''', versioned);
    IF primary_key IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I PRIMARY KEY (%s)', versioned,
                       primary_key, array_to_string(meta.versioned_key(versioned), ', '));
    END IF;
END $$;
COMMENT ON PROCEDURE meta.move_closed IS 'Moves the rows of a table that have ended into its history, and leaves its key to those that have not.';

CREATE OR REPLACE PROCEDURE meta.check_versions(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    key constant text := array_to_string(meta.versioned_key(versioned), ', ');
    found record;
BEGIN
    EXECUTE format(
        'SELECT ROW(%1$s)::text AS key, sys_start, sys_end, before FROM ('
        'SELECT *, lag(sys_end) OVER (PARTITION BY %1$s ORDER BY sys_start, sys_end) AS before FROM ('
        'SELECT %1$s, sys_start, sys_end FROM %2$s UNION ALL SELECT %1$s, sys_start, sys_end FROM %3$s) AS version) AS version '
        'WHERE before > sys_start OR sys_start >= sys_end LIMIT 1', key, versioned, meta.history_of(versioned))
    INTO found;
    IF found.key IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versions overlap', 'table', versioned::text, 'key', found.key, 'since', found.sys_start::text,
            'until', found.sys_end::text, 'history', meta.history_of(versioned)::text);
    END IF;
END $$;
COMMENT ON PROCEDURE meta.check_versions IS 'Refuses versions of one key that overlap, or that end before they begin.';

-- What became of the rows in between, nobody knows. A user's triggers are not asked.
CREATE OR REPLACE PROCEDURE meta.begin_anew(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    others constant text[] := (SELECT array_agg(quote_ident(tgname)) FROM pg_trigger
                               WHERE tgrelid = versioned AND NOT tgisinternal AND tgenabled = 'O');
    copies constant text := format('FROM %s AS copy WHERE copy.sys_start = one.sys_start AND %s', meta.history_of(versioned),
                                   meta.each_of(meta.versioned_key(versioned), 'copy.@ = one.@', ' AND '));
    has_copies boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS one WHERE EXISTS (SELECT %s))', versioned, copies) INTO has_copies;
    IF has_copies THEN
        IF others IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ', versioned) || meta.each_of(others, 'DISABLE TRIGGER @', ', ');
        END IF;
        EXECUTE format('UPDATE %s AS one SET sys_start = transaction_timestamp() WHERE EXISTS (SELECT %s)', versioned, copies);
        IF others IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ', versioned) || meta.each_of(others, 'ENABLE TRIGGER @', ', ');
        END IF;
    END IF;
END $$;
COMMENT ON PROCEDURE meta.begin_anew IS 'Has rows begin now that have a version in history already: that of when versioning ended.';

CREATE OR REPLACE FUNCTION meta.scd_system_versioned("table" regclass) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    versioned constant regclass := "table";
    obstacle record;
BEGIN
    IF NOT meta.is_system_versioned(versioned) THEN
        SELECT about, fact INTO obstacle
        FROM (
            SELECT 1, 'not in scratch' AS about, NULL AS fact
            FROM pg_class
            WHERE oid = versioned
              AND (relpersistence = 't' OR relnamespace <> 'scratch'::regnamespace)
            UNION ALL
            SELECT 2, 'versioned in parts', NULL FROM pg_class WHERE oid = versioned AND relkind = 'p'
            UNION ALL
            SELECT 3, found.* FROM meta.obstacle_to_versions(versioned) AS found
        ) AS found (place)
        WHERE about <> 'constraint on versions' AND NOT (about = 'view name taken' AND EXISTS (
            SELECT FROM history.tables AS it WHERE it.versioned = "table" AND it.current_view = to_regclass(fact)))
        ORDER BY place
        LIMIT 1;
        IF obstacle.about IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                obstacle.about, 'table', versioned::text, 'fact', obstacle.fact);
        END IF;
        CALL meta.add_period(versioned, false);
        EXECUTE format('ALTER TABLE %s ALTER sys_start SET DEFAULT transaction_timestamp()', versioned);
        CALL meta.make_history(versioned);
        CALL meta.follow_columns(versioned);
        CALL meta.begin_anew(versioned);
        CALL meta.move_closed(versioned);
        CALL meta.check_versions(versioned);
        UPDATE history.tables AS it SET is_kept = true WHERE it.versioned = "table";
        EXECUTE format('COMMENT ON COLUMN %s.sys_start IS %L', versioned,
            'From when this version held: the time of the transaction that made it.');
        EXECUTE format('COMMENT ON COLUMN %s.sys_end IS %L', versioned,
            'Until when it held (excluded): infinity, for all versions here are current.');
    END IF;
    CALL meta.add_versioning_triggers(versioned);
    CALL meta.renew_current_view(versioned);
    RETURN meta.current_view(versioned);
END $$;
COMMENT ON FUNCTION meta.scd_system_versioned IS 'Has a table of schema scratch keep every version of its rows, and gives the view of the current ones. On a table that does so already, what was taken away is made again.';

-- A row of the catalog that is seen and not committed is one's own, of this transaction.
CREATE OR REPLACE PROCEDURE meta.created_system_versioned("table" regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT meta.is_system_versioned("table") AND (
        SELECT pg_xact_status((pg_current_xact_id()::text::bigint - age(xmin))::text::xid8)
        FROM pg_class WHERE oid = "table") IS DISTINCT FROM 'in progress' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'exists without versions', 'table', "table"::text);
    END IF;
    PERFORM meta.scd_system_versioned("table");
END $$;
COMMENT ON PROCEDURE meta.created_system_versioned IS 'What CREATE TABLE … WITH (system_versioning = true) goes on to do; IF NOT EXISTS may have found a table there.';

CREATE OR REPLACE PROCEDURE meta.end_system_versioning("table" regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    versioned constant regclass := "table";
    one text;
BEGIN
    IF NOT meta.is_system_versioned(versioned) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal('not versioned', 'table', versioned::text);
    END IF;
    CALL meta.set_aside(versioned, false);
    FOR one IN SELECT name FROM meta.versioning_triggers() LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', one, versioned);
    END LOOP;
    UPDATE history.tables AS it SET is_kept = false, system_time = NULL WHERE it.versioned = "table";
    EXECUTE format('INSERT INTO %s (%s, sys_end) SELECT %2$s, transaction_timestamp() FROM %s '
                   'WHERE sys_start < transaction_timestamp()',
                   meta.history_of(versioned), meta.stored_columns(versioned), versioned);
END $$;
COMMENT ON PROCEDURE meta.end_system_versioning IS 'Ends the versions of a table: its rows stay, and what is known until now stays in history.';

CREATE OR REPLACE FUNCTION meta.set_system_time("table" regclass, instant timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF instant > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'time to come', 'table', "table"::text, 'instant', instant::text);
    END IF;
    UPDATE history.tables AS it SET system_time = instant WHERE it.versioned = "table" AND is_kept;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            CASE WHEN meta.owns("table") THEN 'not versioned' ELSE 'time of another' END, 'table', "table"::text);
    END IF;
    -- Or the time of a statement that goes on would change from one of its rows to the next.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
    RETURN instant;
END $$;
COMMENT ON FUNCTION meta.set_system_time IS 'Has the versions of a table of one''s own begin and end at this time, to replay changes; null for that of each transaction.';

-- As an earlier version made them: with closed versions among their rows.
DROP PROCEDURE IF EXISTS meta.drop_current_view(oid);
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT tgrelid::regclass AS versioned, relowner, array_agg(quote_ident(tgname)) AS triggers
        FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        JOIN pg_proc ON pg_proc.oid = tgfoid AND pronamespace = 'meta'::regnamespace AND proname LIKE 'versioned\_%'
        WHERE tgrelid NOT IN (SELECT versioned FROM history.tables)
        GROUP BY 1, 2
    LOOP
        EXECUTE format('SET LOCAL ROLE %s', one.relowner::regrole);
        EXECUTE meta.each_of(one.triggers, format('DROP TRIGGER @ ON %s', one.versioned), '; ');
        CALL meta.make_history(one.versioned);
        UPDATE history.tables AS it SET current_view = to_regclass(meta.current_view(it.versioned)) WHERE it.versioned = one.versioned;
        PERFORM meta.scd_system_versioned(one.versioned);
        RESET ROLE;
    END LOOP;
    -- With fewer triggers than there are now, and all of those as they were made.
    FOR one IN
        SELECT it.versioned, relowner
        FROM history.tables AS it
        JOIN pg_class ON pg_class.oid = it.versioned
        JOIN pg_trigger ON tgrelid = it.versioned AND tgname = '~~~system_versioning_row' AND tgqual IS NULL
        WHERE is_kept AND meta.changed_trigger(it.versioned) IS NULL
          AND coalesce(cardinality(triggers) = cardinality(meta.triggers_as_made(it.versioned)), true)
    LOOP
        EXECUTE format('SET LOCAL ROLE %s', one.relowner::regrole);
        CALL meta.add_versioning_triggers(one.versioned);
        RESET ROLE;
    END LOOP;
END $$;
DROP FUNCTION IF EXISTS meta.versioned_before_closed_row(), meta.is_keeping_history(oid), meta.merges_into(text, text),
                        meta.words_of(text), meta.statement_of(text);
