-- A column's type can't change while a view or function reads it. So these are dropped, and made
-- again as they were: with owner, rights, options, comments, triggers and rules.
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

CREATE OR REPLACE FUNCTION meta.remaking_view(view oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN (
        SELECT concat(
            format('CREATE VIEW %s (%s) %s AS %s;', name, columns,
                   'WITH (' || array_to_string(reloptions, ', ') || ')', rtrim(pg_get_viewdef(view), ';')),
            meta.rights_of('TABLE', name, relowner, relacl),
            format('COMMENT ON VIEW %s IS %L;', name, obj_description(view, 'pg_class')),
            of_columns,
            (SELECT string_agg(format('ALTER VIEW %s ALTER %I SET DEFAULT %s;', name, attname,
                                      pg_get_expr(adbin, adrelid)), '')
             FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = view),
            (SELECT string_agg(pg_get_triggerdef(oid) || ';', '') FROM pg_trigger WHERE tgrelid = view AND NOT tgisinternal),
            (SELECT string_agg(pg_get_ruledef(oid), '') FROM pg_rewrite WHERE ev_class = view AND rulename <> '_RETURN'))
        FROM pg_class
        CROSS JOIN LATERAL (VALUES (pg_class.oid::regclass::text)) AS its (name)
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
            EXCEPTION WHEN dependent_objects_still_exist OR undefined_table OR undefined_function OR undefined_object THEN
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

CREATE OR REPLACE FUNCTION meta.remaking_readers(relations oid[], without oid[], OUT dropping text[], OUT making text[])
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
        SELECT array_agg(CASE WHEN relkind = 'v' THEN format('DROP VIEW %s', object::regclass)
                              ELSE format('DROP ROUTINE %s', object::regprocedure) END),
               array_agg(CASE WHEN relkind = 'v' THEN meta.remaking_view(object) ELSE meta.remaking_function(object) END)
        FROM reader
        LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
        LEFT JOIN pg_proc ON class = 'pg_proc'::regclass AND pg_proc.oid = object
        WHERE coalesce(relkind, 'v') = 'v' AND coalesce(relnamespace, pronamespace) <> ALL (without);
    END;
COMMENT ON FUNCTION meta.remaking_readers IS 'The statements that drop the views and functions above relations, without those of some schemas, and make them again as they are.';

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
END $$;
COMMENT ON PROCEDURE meta.alter_below_readers IS 'Alters a table, whose views and functions are dropped for it and made again as they were.';
