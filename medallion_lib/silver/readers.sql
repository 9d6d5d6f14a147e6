-- A column's type can't change while a view or function reads it. So these are dropped, and made
-- again as they were: with owner, rights, options, comments, triggers and rules; a materialized view
-- with its indexes and statistics, and with the rows of a refresh, where it had any.
CREATE OR REPLACE FUNCTION meta.rights_of(kind text, name text, owner oid, rights aclitem[]) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN (
        SELECT concat(
            (SELECT string_agg(format('REVOKE ALL ON %s %s FROM %s;', kind, name, of), '')
             FROM (SELECT 'PUBLIC' AS of
                   UNION SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
                   FROM pg_default_acl CROSS JOIN aclexplode(defaclacl)) AS given),
            format('ALTER %s %s OWNER TO %s;', kind, name, owner::regrole),
            string_agg(format('GRANT %s ON %s %s TO %s%s;', privilege_type, kind, name,
                              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                              CASE WHEN is_grantable AND grantee <> owner THEN ' WITH GRANT OPTION' END), ''))
        FROM aclexplode(coalesce(rights, acldefault(CASE kind WHEN 'TABLE' THEN 'r' ELSE 'f' END::"char", owner))));
COMMENT ON FUNCTION meta.rights_of IS 'The statements that give a table, view or function its owner and rights.';

CREATE OR REPLACE FUNCTION meta.remaking_stored(view oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN (
        SELECT concat(
            (SELECT string_agg(concat(
                        alter_column || 'STATISTICS ' || attstattarget || ';',
                        alter_column || 'STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                                                      WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END || ';',
                        alter_column || 'COMPRESSION ' || CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END || ';',
                        alter_column || '(' || array_to_string(attoptions, ', ') || ');'), '')
             FROM pg_attribute
             CROSS JOIN LATERAL (VALUES (format('ALTER MATERIALIZED VIEW %s ALTER %I SET ', name, attname))) AS its (alter_column)
             WHERE attrelid = view AND attnum > 0),
            (SELECT string_agg(concat(
                        pg_get_indexdef(indexrelid), ';',
                        'ALTER INDEX ' || index || ' SET TABLESPACE ' || quote_ident(spcname) || ';',
                        format('COMMENT ON INDEX %s IS %L;', index, obj_description(indexrelid, 'pg_class')),
                        (SELECT string_agg(format('ALTER INDEX %s ALTER %s SET STATISTICS %s;', index, attnum, attstattarget), '')
                         FROM pg_attribute WHERE attrelid = indexrelid AND attstattarget >= 0),
                        CASE WHEN indisclustered THEN
                            format('ALTER MATERIALIZED VIEW %s CLUSTER ON %I;', name, relname) END), '')
             FROM pg_index
             CROSS JOIN LATERAL (VALUES (indexrelid::regclass::text)) AS its (index)
             JOIN pg_class ON pg_class.oid = indexrelid
             LEFT JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
             WHERE indrelid = view),
            (SELECT string_agg(concat(
                        pg_get_statisticsobjdef(oid), ';',
                        format('ALTER STATISTICS %s OWNER TO %s;', statistics, stxowner::regrole),
                        format('ALTER STATISTICS %s SET STATISTICS %s;', statistics, coalesce(stxstattarget, -1)),
                        format('COMMENT ON STATISTICS %s IS %L;', statistics, obj_description(oid, 'pg_statistic_ext'))), '')
             FROM pg_statistic_ext
             CROSS JOIN LATERAL (VALUES (format('%s.%I', stxnamespace::regnamespace, stxname))) AS its (statistics)
             WHERE stxrelid = view))
        FROM (VALUES (view::regclass::text)) AS its (name));
COMMENT ON FUNCTION meta.remaking_stored IS 'The statements that give a materialized view its indexes, statistics and ways to store its columns.';

CREATE OR REPLACE FUNCTION meta.remaking_view(view oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN (
        SELECT concat(
            format('CREATE %s %s (%s) %s %s %s AS %s %s;', kind, name, columns, 'USING ' || quote_ident(amname),
                   'WITH (' || array_to_string(reloptions || of_toast, ', ') || ')', 'TABLESPACE ' || quote_ident(spcname),
                   rtrim(pg_get_viewdef(view), ';'), CASE WHEN relkind = 'm' THEN 'WITH NO DATA' END),
            CASE WHEN relkind = 'm' THEN meta.remaking_stored(view) END,
            meta.rights_of('TABLE', name, relowner, relacl),
            format('COMMENT ON %s %s IS %L;', kind, name, obj_description(view, 'pg_class')),
            of_columns,
            (SELECT string_agg(format('ALTER VIEW %s ALTER %I SET DEFAULT %s;', name, attname,
                                      pg_get_expr(adbin, adrelid)), '')
             FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = view),
            (SELECT string_agg(pg_get_triggerdef(oid) || ';', '') FROM pg_trigger WHERE tgrelid = view AND NOT tgisinternal),
            (SELECT string_agg(pg_get_ruledef(oid), '') FROM pg_rewrite WHERE ev_class = view AND rulename <> '_RETURN'))
        FROM pg_class
        LEFT JOIN pg_am ON pg_am.oid = relam
        LEFT JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
        CROSS JOIN LATERAL (
            SELECT array_agg('toast.' || option)
            FROM pg_class AS toast CROSS JOIN unnest(toast.reloptions) AS option
            WHERE toast.oid = pg_class.reltoastrelid
        ) AS options (of_toast)
        CROSS JOIN LATERAL (VALUES (pg_class.oid::regclass::text, CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END || 'VIEW')) AS its (name, kind)
        CROSS JOIN LATERAL (
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
                   string_agg(format('COMMENT ON COLUMN %s.%I IS %L;', name, attname, col_description(view, attnum)), ''),
                   string_agg((SELECT string_agg(format('GRANT %s (%I) ON %s TO %s;', privilege_type, attname, name,
                                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END), '')
                               FROM aclexplode(attacl)), '')
            FROM pg_attribute
            WHERE attrelid = view AND attnum > 0
        ) AS part (columns, comments, rights)
        CROSS JOIN LATERAL (VALUES (concat(comments, rights))) AS statement (of_columns)
        WHERE pg_class.oid = view);
COMMENT ON FUNCTION meta.remaking_view IS 'The statements that make a view again as it is.';

CREATE OR REPLACE FUNCTION meta.remaking_function(function oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN (
        SELECT concat(
            pg_get_functiondef(oid), ';',
            meta.rights_of('ROUTINE', function::regprocedure::text, proowner, proacl),
            format('COMMENT ON ROUTINE %s IS %L;', function::regprocedure, obj_description(function, 'pg_proc')))
        FROM pg_proc
        WHERE oid = function);
COMMENT ON FUNCTION meta.remaking_function IS 'The statements that make a function again as it is.';

-- One may need another, so those that fail are tried again, for as long as some do not.
CREATE OR REPLACE PROCEDURE meta.do_in_some_order(statements text[])
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    waiting text[];
    statement text;
    reason text;
    detail text;
BEGIN
    WHILE cardinality(statements) > 0 LOOP
        waiting := '{}';
        FOREACH statement IN ARRAY statements LOOP
            BEGIN
                EXECUTE statement;
            EXCEPTION WHEN dependent_objects_still_exist OR undefined_table OR undefined_function OR undefined_object
                           OR object_not_in_prerequisite_state THEN
                waiting := waiting || statement;
                GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
            END;
        END LOOP;
        IF cardinality(waiting) = cardinality(statements) THEN
            RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = reason, DETAIL = detail;
        END IF;
        statements := waiting;
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.do_in_some_order IS 'Executes statements of which some need others.';

DROP FUNCTION IF EXISTS meta.remaking_readers;  -- one of another form
CREATE FUNCTION meta.remaking_readers(
        relations oid[], without oid[], OUT dropping text[], OUT making text[], OUT filling text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        WITH RECURSIVE reader AS (
            SELECT 'pg_class'::regclass::oid AS class, unnest(relations) AS object
            UNION
            SELECT CASE WHEN ev_class IS NULL THEN classid ELSE 'pg_class'::regclass END, coalesce(ev_class, objid)
            FROM reader
            LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
            JOIN pg_depend ON (refclassid, refobjid) IN ((class, object), ('pg_type'::regclass, reltype))
                          AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
            LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
        )
        SELECT array_agg(CASE relkind WHEN 'v' THEN format('DROP VIEW %s', object::regclass)
                                      WHEN 'm' THEN format('DROP MATERIALIZED VIEW %s', object::regclass)
                                      ELSE format('DROP ROUTINE %s', object::regprocedure) END),
               array_agg(CASE WHEN relkind IN ('v', 'm') THEN meta.remaking_view(object) ELSE meta.remaking_function(object) END),
               array_agg(format('REFRESH MATERIALIZED VIEW %s', object::regclass))
                   FILTER (WHERE relkind = 'm' AND relispopulated)
        FROM reader
        LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
        LEFT JOIN pg_proc ON class = 'pg_proc'::regclass AND pg_proc.oid = object
        WHERE coalesce(relkind, 'v') IN ('v', 'm') AND coalesce(relnamespace, pronamespace) <> ALL (without);
    END;
COMMENT ON FUNCTION meta.remaking_readers IS 'The statements that drop the views and functions above relations, without those of some schemas, make them again as they are, and refresh the materialized ones.';

CREATE OR REPLACE PROCEDURE meta.alter_below_readers(relation regclass, alteration text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    readers constant record := meta.remaking_readers(ARRAY[relation::oid], '{}');
BEGIN
    CALL meta.do_in_some_order(readers.dropping);
    EXECUTE alteration;
    CALL meta.do_in_some_order(readers.making);
    CALL meta.do_in_some_order(readers.filling);
END $$;
COMMENT ON PROCEDURE meta.alter_below_readers IS 'Alters a table, whose views and functions are dropped for it and made again as they were.';
