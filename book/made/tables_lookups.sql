-- The tables of bronze in which a function looks something up, itself or by another.
WITH RECURSIVE calls AS (
    SELECT to_regproc(%(function)s)::oid AS function
    UNION
    SELECT dependency.refobjid
    FROM calls
    JOIN pg_depend AS dependency
      ON dependency.classid = 'pg_proc'::regclass AND dependency.objid = calls.function
     AND dependency.refclassid = 'pg_proc'::regclass
)
SELECT DISTINCT relname::text
FROM calls
JOIN pg_depend AS dependency
  ON dependency.classid = 'pg_proc'::regclass AND dependency.objid = calls.function
 AND dependency.refclassid = 'pg_class'::regclass
JOIN pg_class ON pg_class.oid = dependency.refobjid
WHERE relnamespace = 'bronze'::regnamespace
