-- Every view that reads a versioned table, however far up, each after those it reads.
WITH RECURSIVE reads AS (
    SELECT DISTINCT
        rule.ev_class AS view,
        dependency.refobjid AS relation,
        attribute.attname AS column
    FROM pg_rewrite AS rule
    JOIN pg_depend AS dependency
      ON dependency.classid = 'pg_rewrite'::regclass AND dependency.objid = rule.oid
     AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid <> rule.ev_class
    LEFT JOIN pg_attribute AS attribute
      ON attribute.attrelid = dependency.refobjid AND attribute.attnum = dependency.refobjsubid
    WHERE rule.ev_type = '1'
),
reach AS (
    SELECT unnest(%(tables)s::oid[]) AS relation, 0 AS depth
    UNION
    SELECT reads.view, reach.depth + 1
    FROM reach JOIN reads USING (relation)
)
SELECT
    view.oid,
    schema.nspname AS schema,
    view.relname AS name,
    view.relkind = 'm' AS materialized,
    pg_get_viewdef(view.oid) AS definition,
    ARRAY(
        SELECT DISTINCT reads.relation FROM reads
        WHERE reads.view = view.oid AND reads.relation IN (SELECT reach.relation FROM reach)
    ) AS reads,
    EXISTS (
        SELECT FROM reads
        WHERE reads.view = view.oid AND reads.column IN ('sys_end', 'sys_period')
          AND reads.relation IN (SELECT reach.relation FROM reach)
    ) AS uses_sys_end,
    ARRAY(  -- only functions people made depend like this; what those read is not known
        SELECT DISTINCT function.oid::regprocedure::text
        FROM pg_rewrite AS rule
        JOIN pg_depend AS dependency
          ON dependency.classid = 'pg_rewrite'::regclass AND dependency.objid = rule.oid
         AND dependency.refclassid = 'pg_proc'::regclass
        JOIN pg_proc AS function ON function.oid = dependency.refobjid
        WHERE rule.ev_class = view.oid AND function.provolatile <> 'i'
        ORDER BY 1
    ) AS calls
FROM (SELECT relation, max(depth) AS depth FROM reach GROUP BY relation) AS reached
JOIN pg_class AS view ON view.oid = reached.relation
JOIN pg_namespace AS schema ON schema.oid = view.relnamespace
WHERE reached.depth > 0 AND view.relpersistence <> 't'
ORDER BY reached.depth, schema.nspname, view.relname
