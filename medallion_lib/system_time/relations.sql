-- What has history, each after what it reads: versioned tables (ordinary or partitioned, not a
-- partition, with sys_start and sys_end), and every view that reads one, however far up. Of a table
-- that versions itself, `sources` has where its versions are, and the closed ones are in `histories`.
-- `query` is what the function selects, of a table without WHERE, of a view with its relations yet to
-- be read in one of the forms; `is_plain`, whether each row stands for one version;
-- `obstacle` and `fact` say why there can be none, as in refusals.txt; `is_mine`, whether the functions
-- are one's own to make, and `answers`, whether there is one that answers.
WITH RECURSIVE versioned AS (
    SELECT
        relation.oid AS relation,
        format(
            'SELECT %%s FROM %%s',
            string_agg(quote_ident(attribute.attname), ', ' ORDER BY attribute.attnum),
            coalesce(own.source, format('%%I.%%I', schema.nspname, relation.relname))
        ) AS query
    FROM pg_class AS relation
    JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
    LEFT JOIN unnest(%(versioned)s::oid[], %(sources)s::text[]) AS own (versioned, source)
      ON own.versioned = relation.oid
    WHERE relation.oid <> ALL (%(histories)s::oid[])
      AND schema.nspname NOT IN ('pg_catalog', 'information_schema')
      AND relation.relpersistence <> 't'
      AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
      AND attribute.attnum > 0 AND NOT attribute.attisdropped
    GROUP BY relation.oid, schema.nspname, relation.relname, own.source
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
-- A view is made of every view in it, too, whether that one reads history or not.
parts AS (
    SELECT view, view AS part FROM reading
    UNION
    SELECT parts.view, dependencies.relation
    FROM parts JOIN dependencies ON dependencies.view = parts.part
),
-- An SQL function may say that it never changes, and its body otherwise.
trees AS MATERIALIZED (
    SELECT rules.view AS part, rules.tree
    FROM rules
    WHERE rules.view IN (SELECT part FROM parts)
    UNION
    SELECT trees.part, prosqlbody::text
    FROM trees
    CROSS JOIN LATERAL regexp_matches(trees.tree, ':(?:funcid|opfuncid) ([0-9]+)', 'g') AS found
    JOIN pg_proc ON pg_proc.oid = found[1]::oid
    WHERE prosqlbody IS NOT NULL AND provolatile = 'i' AND pg_proc.oid >= 16384  -- PostgreSQL's own are below
),
called AS (
    SELECT DISTINCT trees.part, found[1]::oid AS function
    FROM trees
    CROSS JOIN LATERAL regexp_matches(
        trees.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') AS found
),
-- An aggregate is called immutable, whatever those that it is made of are.
functions AS (
    SELECT part, function FROM called
    UNION
    SELECT called.part, made_of.function
    FROM called
    JOIN pg_aggregate AS aggregate ON aggregate.aggfnoid = called.function
    CROSS JOIN LATERAL (
        VALUES (aggtransfn), (aggfinalfn), (aggmtransfn), (aggmfinalfn)) AS made_of (function)
    WHERE called.function >= 16384
),
-- Text that is read as another type while the view runs: by a cast, JSON_VALUE, JSON_TABLE, XMLTABLE.
read_as AS (
    SELECT trees.part, found[1]::oid AS type
    FROM trees
    CROSS JOIN LATERAL regexp_matches(
        trees.tree,
        '(?:{JSONRETURNING :format {[^}]*} :typid '
        '|:resulttype (?=[0-9]+ :resultcollid [0-9]+ :coerceformat ))([0-9]+)', 'g') AS found
    UNION
    SELECT trees.part, type::oid
    FROM trees
    CROSS JOIN LATERAL regexp_matches(
        trees.tree, ':coltypes \(o ([0-9 ]+)\)(?=[^)]*\)[^)]*\) :colexprs )', 'g') AS found
    CROSS JOIN LATERAL regexp_split_to_table(found[1], ' ') AS type
),
-- What answers otherwise tomorrow, of the same rows. A stable function may do so unless it is known
-- to follow from its arguments and from how the session writes dates, numbers and text; of a time,
-- the zone's offset is today's, and 'today' read as a date is, too.
unsteady AS (
    SELECT part, word AS clock, NULL AS call
    FROM trees
    CROSS JOIN LATERAL regexp_matches(tree, '{SQLVALUEFUNCTION :op ([0-9]+) ', 'g') AS found
    JOIN unnest(ARRAY[
        'CURRENT_DATE', 'CURRENT_TIME', 'CURRENT_TIME', 'CURRENT_TIMESTAMP', 'CURRENT_TIMESTAMP',
        'LOCALTIME', 'LOCALTIME', 'LOCALTIMESTAMP', 'LOCALTIMESTAMP'
    ]) WITH ORDINALITY AS words (word, place) ON place - 1 = found[1]::integer
    UNION ALL
    SELECT
        part,
        CASE WHEN pronamespace = 'pg_catalog'::regnamespace THEN proname || '()' END,
        CASE WHEN pronamespace <> 'pg_catalog'::regnamespace THEN pg_proc.oid::regprocedure::text END
    FROM functions
    CROSS JOIN LATERAL (  -- OFFSET: of the thousands there are, none is matched but what is called
        SELECT * FROM pg_proc WHERE pg_proc.oid = functions.function OFFSET 0
    ) AS pg_proc
    WHERE provolatile <> 'i' AND NOT (
        provolatile = 's' AND pronamespace = 'pg_catalog'::regnamespace
        AND proname ~ concat(
            '^((date|timestamp|timestamptz)_(cmp|eq|ne|lt|le|gt|ge)_.*|timestamptz_(pl|mi)_interval',
            '|interval_pl_timestamptz|date|time|timestamp|timestamptz|timetz|timezone|make_timestamptz',
            '|date_(add|subtract|part|trunc)|extract|generate_series|in_range|overlaps',
            '|to_(char|date|number|timestamp|json|jsonb|tsvector)|(plain|phrase|websearch_)?to_tsquery',
            '|concat|concat_ws|format|quote_(literal|nullable)|anytextcat|textanycat|array_to_(string|json)',
            '|convert(_from|_to)?|length|money|numeric|row_to_json|jsonb?_(build|agg|object_agg).*',
            '|jsonb?_to_tsvector|ts_headline|ts_match_t[qt]|enum_(first|last|range)|xml|xml_is_well_formed',
            '|pg_typeof)$')
        AND NOT (proname IN ('timetz', 'timezone')
                 AND proargtypes::oid[] && '{time,timetz}'::regtype[]::oid[]))
    UNION ALL
    SELECT part, 'text::' || format_type(type.oid, NULL), NULL
    FROM read_as
    JOIN pg_type AS type ON type.oid = read_as.type
    LEFT JOIN pg_type AS element ON element.typarray = type.oid
    LEFT JOIN pg_range ON coalesce(element.oid, type.oid) IN (rngtypid, rngmultitypid)
    JOIN pg_type AS leaf ON leaf.oid = coalesce(rngsubtype, element.oid, type.oid)
    JOIN pg_proc AS input ON input.oid = leaf.typinput
    WHERE input.provolatile <> 'i' AND leaf.typtype <> 'e'
      AND leaf.oid <> ALL ('{interval,money,xml}'::regtype[])
),
clocks AS (
    SELECT parts.view, min(unsteady.clock) AS clock, min(unsteady.call) AS call
    FROM parts
    JOIN unsteady USING (part)
    GROUP BY parts.view
),
-- A view that is columns of one table's current rows, and no more, needs no WHERE of its own.
current_state AS (
    SELECT
        reads.view,
        substring(pg_get_viewdef(reads.view) FROM format(
            '^(\s*SELECT\s+%%2$s(?:,\s+%%2$s)*\s+FROM\s+%%1$s\.%%1$s(?:\s+%%1$s)?)'
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
        WHEN clocks.call IS NOT NULL THEN 'view calls a function'
        WHEN reads.uses_sys_end AND current_state.query IS NULL THEN 'view uses sys_end'
    END AS obstacle,
    coalesce(clocks.clock, clocks.call) AS fact,
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
LEFT JOIN clocks ON clocks.view = relation.oid
LEFT JOIN current_state
  ON current_state.view = relation.oid
 AND current_state.query !~ '\m(sys_end|sys_period)\M'  -- it may not show them either
WHERE relation.relpersistence <> 't' OR versioned.relation IS NOT NULL
ORDER BY depths.depth, schema.nspname, relation.relname
