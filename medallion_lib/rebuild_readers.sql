-- What reads these schemas from elsewhere, as statements: to drop each view and function, and to make it
-- again as it is.
WITH RECURSIVE within AS (
    SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s)
),
reader AS (
    SELECT class, object
    FROM within CROSS JOIN LATERAL (
        SELECT 'pg_class'::regclass, pg_class.oid FROM pg_class WHERE relnamespace = within.oid
        UNION ALL
        SELECT 'pg_proc'::regclass, pg_proc.oid FROM pg_proc WHERE pronamespace = within.oid
    ) AS made (class, object)
    UNION
    SELECT CASE WHEN ev_class IS NULL THEN classid ELSE 'pg_class'::regclass END, coalesce(ev_class, objid)
    FROM reader
    LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
    JOIN pg_depend ON (refclassid, refobjid) IN ((class, object), ('pg_type'::regclass, reltype))
                  AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
    LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
),
elsewhere AS (
    SELECT object, relkind IS NOT NULL AS is_view
    FROM reader
    LEFT JOIN pg_class ON class = 'pg_class'::regclass AND pg_class.oid = object
    LEFT JOIN pg_proc ON class = 'pg_proc'::regclass AND pg_proc.oid = object
    WHERE coalesce(relnamespace, pronamespace) NOT IN (SELECT oid FROM within) AND coalesce(relkind, 'v') = 'v'
)
SELECT array_agg(CASE WHEN is_view THEN format('DROP VIEW %%s', object::regclass)
                      ELSE format('DROP ROUTINE %%s', object::regprocedure) END),
       array_agg(CASE WHEN is_view THEN meta.remaking_view(object) ELSE meta.remaking_function(object) END)
FROM elsewhere
