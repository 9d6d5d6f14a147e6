-- As regenerate() makes them, which knows them for its own by their parameters' names.
DROP PROCEDURE IF EXISTS meta.make_functions(regclass);
CREATE OR REPLACE PROCEDURE meta.make_functions(versioned regclass, versions text DEFAULT NULL)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT format('%s.%I', relnamespace::regnamespace, relname || '__' || form) AS function, *,
               CASE WHEN oid <> versioned THEN format(
                   '%s.%I(%s) AS %I', of.layer, of.title || '__' || form, arguments, of.title)
                   ELSE format('%s WHERE %s%s', coalesce(versions, versioned::text), condition,
                        meta.horizon_condition(versioned, since)) END AS source,
               (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped) AS columns
        FROM (VALUES {forms}) AS forms (form, clause, parameters, arguments, condition, since, names)
        CROSS JOIN (SELECT relnamespace::regnamespace, relname FROM pg_class WHERE oid = versioned) AS of (layer, title)
        JOIN pg_class ON oid IN (versioned, to_regclass(meta.current_view(versioned)))
        ORDER BY oid <> versioned
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION %s(%s) RETURNS SETOF %s LANGUAGE sql STABLE PARALLEL SAFE '
                       'BEGIN ATOMIC SELECT %s FROM %s; END', one.function, one.parameters,
                       one.oid::regclass, one.columns, one.source);
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', one.function, 'What FOR SYSTEM_TIME ' || one.clause || ' reads.');
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.make_functions IS 'Makes what FOR SYSTEM_TIME reads of a versioned table and of its view of current rows; the second argument says where the versions are, if not in the table alone.';

-- Their parameters' names tell them from others.
CREATE OR REPLACE FUNCTION meta.clause_functions() RETURNS TABLE (function oid, relation oid, suffix text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT pg_proc.oid, pg_class.oid, '__' || form
        FROM pg_proc
        JOIN (VALUES {forms}) AS forms (form, clause, parameters, arguments, condition, since, names)
          ON names = array_to_string(proargnames, ',') AND right(proname, length(form) + 2) = '__' || form
        JOIN pg_class ON reltype = prorettype;
    END;
COMMENT ON FUNCTION meta.clause_functions IS 'The functions behind FOR SYSTEM_TIME, each with its relation.';
