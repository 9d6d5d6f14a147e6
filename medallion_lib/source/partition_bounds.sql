-- Where the rows of some partitions lie: their bounds, null where these may be others than they
-- were in transaction %(xid)s; and the columns that the bounds may name.
WITH RECURSIVE node AS (
    SELECT leaf AS of, inhparent, inhrelid, pg_inherits.xmin
    FROM unnest(%(leaves)s::oid[]) AS leaf
    LEFT JOIN pg_inherits ON inhrelid = leaf
    UNION ALL
    SELECT node.of, above.inhparent, above.inhrelid, above.xmin
    FROM node
    JOIN pg_inherits AS above ON above.inhrelid = node.inhparent
),
-- A partition attached since has bounds of its own, and takes from those of DEFAULT beside it.
is_as_it_was AS (
    SELECT bool_and(node.inhparent IS NOT NULL AND age(node.xmin) >= age(%(xid)s::xid)
                    AND coalesce(age(beside.xmin) > age(%(xid)s::xid), true)) AS is_so
    FROM node
    LEFT JOIN pg_partitioned_table ON partrelid = node.inhparent AND partdefid = node.inhrelid
    LEFT JOIN pg_inherits AS beside ON beside.inhparent = partrelid
),
bounds AS (
    SELECT string_agg(pg_get_partition_constraintdef(leaf), ' OR ') AS text
    FROM unnest(%(leaves)s::oid[]) AS leaf
),
divided_by AS (
    SELECT DISTINCT attname::text, format_type(atttypid, atttypmod)
               || coalesce(' COLLATE ' || nullif(attcollation, 0)::regcollation, '') AS type
    FROM node
    JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = node.inhparent AND deptype = 'i'
                  AND refclassid = classid AND refobjid = objid AND refobjsubid = 0
    JOIN pg_attribute ON attrelid = objid AND attnum = objsubid
)
SELECT CASE WHEN is_so THEN text END, (SELECT array_agg(ARRAY[attname, type]) FROM divided_by)
FROM is_as_it_was, bounds
