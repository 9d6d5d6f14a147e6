-- What has history, each after what it reads: versioned tables (ordinary or partitioned, not a
-- partition, with sys_start and sys_end), and every view that reads one, however far up.
-- `query` is what the function selects, of a table without WHERE, of a view with its relations yet to
-- be read in one of the forms; `is_plain`, whether each row stands for one version;
-- `obstacle` and `fact` say why there can be none, as in refusals.txt; `is_mine`, whether the functions
-- are one's own to make, and `answers`, whether there is one that answers.
WITH RECURSIVE versioned AS (
    SELECT
        relation.oid AS relation,
        format(
            'SELECT %s FROM %I.%I',
            string_agg(quote_ident(attribute.attname), ', ' ORDER BY attribute.attnum),
            schema.nspname, relation.relname
        ) AS query
    FROM pg_class AS relation
    JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
    WHERE schema.nspname NOT IN ('pg_catalog', 'information_schema')
      AND relation.relpersistence <> 't'
      AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
      AND attribute.attnum > 0 AND NOT attribute.attisdropped
    GROUP BY relation.oid, schema.nspname, relation.relname
    HAVING count(*) FILTER (
        WHERE attribute.attname IN ('sys_start', 'sys_end')
          AND attribute.atttypid = 'timestamptz'::regtype
    ) = 2
),
rules AS (
    SELECT oid, ev_class AS view, ev_action::text AS tree FROM pg_rewrite WHERE ev_type = '1'
),
dependencies AS (
    SELECT DISTINCT
        rules.view,
        dependency.refobjid AS relation,
        attribute.attname AS column
    FROM rules
    JOIN pg_depend AS dependency
      ON dependency.classid = 'pg_rewrite'::regclass AND dependency.objid = rules.oid
     AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid <> rules.view
    LEFT JOIN pg_attribute AS attribute
      ON attribute.attrelid = dependency.refobjid AND attribute.attnum = dependency.refobjsubid
),
reach AS (
    SELECT relation, 0 AS depth FROM versioned
    UNION
    SELECT dependencies.view, reach.depth + 1
    FROM reach JOIN dependencies USING (relation)
),
depths AS (
    SELECT relation, max(depth) AS depth FROM reach GROUP BY relation
),
-- The trees are long: none is searched but those that matter.
reading AS MATERIALIZED (
    SELECT rules.view, rules.tree FROM rules JOIN depths ON depths.relation = rules.view
),
-- Views that pick rows and columns of one relation: those whose tree has one, and none of what
-- makes one row of several.
picking AS (
    SELECT view
    FROM reading
    WHERE regexp_count(tree, '{RANGETBLENTRY ') = 1
      AND tree !~ ':(hasAggs|hasWindowFuncs|hasTargetSRFs|hasSubLinks|hasDistinctOn) true'
      AND tree !~ ':(groupClause|groupingSets|havingQual|distinctClause|setOperations) [^<]'
      AND tree !~ ':(limitCount|limitOffset|cteList) [^<]'
),
reads AS (
    SELECT
        view,
        array_agg(DISTINCT relation) AS relations,
        bool_or(dependencies.column IN ('sys_end', 'sys_period')) IS TRUE AS uses_sys_end
    FROM dependencies JOIN depths USING (relation)
    GROUP BY view
),
-- Only functions people made are dependencies; what those read is not known.
calls AS (
    SELECT rules.view, min(function.oid::regprocedure::text) AS call
    FROM rules
    JOIN pg_depend AS dependency
      ON dependency.classid = 'pg_rewrite'::regclass AND dependency.objid = rules.oid
     AND dependency.refclassid = 'pg_proc'::regclass
    JOIN pg_proc AS function ON function.oid = dependency.refobjid
    WHERE function.provolatile <> 'i'
    GROUP BY rules.view
),
-- The first nine values of a SQLVALUEFUNCTION are the clock's. age(x) counts from today,
-- age(x, y) does not.
clock_words AS (
    SELECT '{SQLVALUEFUNCTION :op ' || ordinality - 1 || ' ' AS node, word
    FROM unnest(ARRAY[
        'CURRENT_DATE', 'CURRENT_TIME', 'CURRENT_TIME', 'CURRENT_TIMESTAMP', 'CURRENT_TIMESTAMP',
        'LOCALTIME', 'LOCALTIME', 'LOCALTIMESTAMP', 'LOCALTIMESTAMP'
    ]) WITH ORDINALITY AS words (word, ordinality)
    UNION ALL
    SELECT ':funcid ' || oid || ' ', proname || '()'
    FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND (
        proname = 'age' AND pronargs = 1 OR proname IN (
            'now', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp', 'timeofday'
        )
    )
),
clocks AS (
    SELECT reading.view, min(clock_words.word) AS clock
    FROM reading
    JOIN clock_words ON strpos(reading.tree, clock_words.node) > 0
    GROUP BY reading.view
),
-- A view that is columns of one table's current rows, and no more, needs no WHERE of its own.
current_state AS (
    SELECT
        reads.view,
        substring(pg_get_viewdef(reads.view) FROM format(
            '^(\s*SELECT\s+%2$s(?:,\s+%2$s)*\s+FROM\s+%1$s\.%1$s(?:\s+%1$s)?)'
            '\s+WHERE\s+\(?sys_end = ''infinity''::timestamp with time zone\)?;\s*$',
            name.pattern, name.pattern || '(?:\s+AS\s+' || name.pattern || ')?'
        )) AS query
    FROM reads
    CROSS JOIN (VALUES ('(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")')) AS name (pattern)
    WHERE reads.relations <@ ARRAY(SELECT relation FROM versioned)
)
SELECT
    relation.oid,
    schema.nspname AS schema,
    relation.relname AS name,
    coalesce(reads.relations, '{}') AS reads,
    coalesce(
        versioned.query,
        current_state.query,
        rtrim(pg_get_viewdef(relation.oid), E'; \n')
    ) AS query,
    versioned.relation IS NOT NULL OR relation.oid IN (SELECT view FROM picking) AS is_plain,
    CASE
        WHEN relation.relkind = 'm' THEN 'view is materialized'
        WHEN clocks.clock IS NOT NULL THEN 'view reads the clock'
        WHEN calls.call IS NOT NULL THEN 'view calls a function'
        WHEN reads.uses_sys_end AND current_state.query IS NULL THEN 'view uses sys_end'
    END AS obstacle,
    coalesce(clocks.clock, calls.call) AS fact,
    pg_get_userbyid(relation.relowner) = current_user AS is_mine,
    EXISTS (
        SELECT FROM pg_proc AS function JOIN pg_language AS language ON language.oid = prolang
        WHERE prorettype = relation.reltype AND pronamespace = relation.relnamespace
          AND proname = relation.relname || '__as_of' AND lanname = 'sql'
    ) AS answers
FROM depths
JOIN pg_class AS relation ON relation.oid = depths.relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
LEFT JOIN versioned ON versioned.relation = relation.oid
LEFT JOIN reads ON reads.view = relation.oid
LEFT JOIN calls ON calls.view = relation.oid
LEFT JOIN clocks ON clocks.view = relation.oid
LEFT JOIN current_state
  ON current_state.view = relation.oid
 AND current_state.query !~ '\m(sys_end|sys_period)\M'  -- it may not show them either
WHERE relation.relpersistence <> 't' OR versioned.relation IS NOT NULL
ORDER BY depths.depth, schema.nspname, relation.relname
