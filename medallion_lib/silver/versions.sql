-- Making a table versioned. A version holds from sys_start until sys_end, itself excluded; the current
-- one has no end, 'infinity'. Nothing here knows a table: CALL meta.make_versioned('schema.table') takes
-- any that has a primary key, with the rights of who calls it, and again changes nothing.
CREATE SCHEMA IF NOT EXISTS meta;
GRANT USAGE ON SCHEMA meta TO PUBLIC;
CREATE EXTENSION IF NOT EXISTS btree_gist;  -- for WITHOUT OVERLAPS
-- As an earlier version made them, whose arguments were others.
DROP PROCEDURE IF EXISTS meta.add_period(regclass), meta.make_keys_current(regclass),
                         meta.make_versioned(regclass, text);

CREATE OR REPLACE FUNCTION meta.system_columns() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    RETURN ARRAY['row_hash', 'sys_start', 'sys_end', 'sys_period'];
COMMENT ON FUNCTION meta.system_columns IS 'The columns that a table has for its versions, beside those of its rows.';

-- Each value is text: a null within a document is a part of it. A column that is null is left out, so
-- that a new one changes no row's hash. As it is, the planner puts its body in the place of a call.
CREATE OR REPLACE FUNCTION meta.row_hash(texts jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(jsonb_strip_nulls(texts)::text, 0);
COMMENT ON FUNCTION meta.row_hash IS 'The hash of a row, by the names and texts of its columns.';

CREATE OR REPLACE FUNCTION meta.has_column(relation oid, name text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = relation AND attname = name AND NOT attisdropped);
COMMENT ON FUNCTION meta.has_column IS 'Whether a table has a column of that name.';

CREATE OR REPLACE FUNCTION meta.versioned_key(versioned regclass) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (
        SELECT array_agg(quote_ident(attname) ORDER BY place)
        FROM pg_constraint
        CROSS JOIN LATERAL unnest(conkey) WITH ORDINALITY AS part (number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = number
        WHERE conrelid = versioned AND contype = 'p'
          AND attname NOT IN ('sys_start', 'sys_end', 'sys_period')
    );
COMMENT ON FUNCTION meta.versioned_key IS 'The columns, quoted, that tell the rows of a table apart at any one instant: its primary key without the period.';

CREATE OR REPLACE FUNCTION meta.current_view(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT format('%s.%I', relnamespace::regnamespace,
                      CASE WHEN relname ~ '._hist$' THEN left(relname, -5)
                           ELSE relname || '_current' END)
        FROM pg_class
        WHERE oid = versioned);
COMMENT ON FUNCTION meta.current_view IS 'What the view of a table''s current rows is called.';

-- By its key, and by the view that was made of it then: one copied from another has none yet.
CREATE OR REPLACE FUNCTION meta.is_versioned(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey) AND attname IN ('sys_end', 'sys_period')
        JOIN pg_depend ON refobjid = conrelid AND classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite ON pg_rewrite.oid = objid AND ev_class = to_regclass(meta.current_view(versioned))
        WHERE conrelid = versioned AND contype = 'p');
COMMENT ON FUNCTION meta.is_versioned IS 'Whether a table has its keys for versions, and its view of current rows.';

-- An index may name a column in its columns, expressions or predicate, or be a constraint's that does.
CREATE OR REPLACE FUNCTION meta.counts_versions(index oid) RETURNS boolean
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT NOT EXISTS (
            SELECT FROM pg_attribute
            JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = attrelid AND refobjsubid = attnum
            LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
            WHERE attrelid = indrelid AND attname IN ('sys_end', 'sys_period')
              AND (classid = 'pg_class'::regclass AND objid = index OR conindid = index))
        FROM pg_index
        WHERE indexrelid = index AND indisunique;
    END;
COMMENT ON FUNCTION meta.counts_versions IS 'Whether an index holds closed versions to be as unique as current ones.';

-- A closed version may refer to what is gone since, so no foreign key holds; an excluded overlap
-- would count closed versions; and an index of current rows can't wait until the commit.
CREATE OR REPLACE FUNCTION meta.constraint_on_versions(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT min(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname))
        FROM pg_constraint
        WHERE versioned IN (conrelid, confrelid) AND (
            contype IN ('f', 'x') OR contype IN ('p', 'u') AND (condeferrable OR conperiod AND NOT EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = versioned AND attname = 'sys_period' AND attnum = ANY (conkey)))));
COMMENT ON FUNCTION meta.constraint_on_versions IS 'The statement that drops a constraint which versions cannot keep; null without one.';

CREATE OR REPLACE FUNCTION meta.obstacle_to_versions(versioned oid, OUT about text, OUT fact text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT problem, subject
        FROM (
            SELECT 1, 'versioned in parts', NULL
            FROM pg_class
            LEFT JOIN pg_partitioned_table ON partrelid = oid
            LEFT JOIN pg_attribute ON attrelid = oid AND attnum = partattrs[0]
            WHERE oid = versioned AND CASE relkind
                WHEN 'p' THEN partstrat <> 'r' OR partnatts > 1 OR relispartition
                    OR attname = ANY (meta.system_columns())
                ELSE EXISTS (SELECT FROM pg_inherits WHERE versioned IN (inhrelid, inhparent)) END
            UNION ALL
            SELECT 3, 'not a table', NULL
            FROM pg_class
            WHERE oid = versioned AND relkind NOT IN ('r', 'p')
            UNION ALL
            SELECT 4, 'no primary key', NULL
            WHERE meta.versioned_key(versioned) IS NULL
            UNION ALL
            SELECT 5, 'no room for versions', NULL
            FROM pg_class
            WHERE oid = versioned
              AND octet_length(relname) > CASE WHEN relname ~ '._hist$' THEN 49 ELSE 41 END
            UNION ALL
            SELECT 6, 'view name taken', meta.current_view(versioned)
            WHERE to_regclass(meta.current_view(versioned)) IS NOT NULL
            UNION ALL
            SELECT 7, 'period column unfit', format('%s %s', attname, format_type(atttypid, -1))
            FROM pg_attribute
            WHERE attrelid = versioned AND NOT attisdropped AND CASE
                WHEN attname IN ('sys_start', 'sys_end')
                    THEN atttypid <> 'timestamptz'::regtype OR attgenerated <> ''
                WHEN attname = 'sys_period'
                    THEN atttypid <> 'tstzrange'::regtype OR attgenerated <> 's' END
            UNION ALL
            SELECT 8, 'constraint on versions', meta.constraint_on_versions(versioned)
            WHERE meta.constraint_on_versions(versioned) IS NOT NULL
        ) AS found (place, problem, subject)
        ORDER BY place, subject
        LIMIT 1;
    END;
COMMENT ON FUNCTION meta.obstacle_to_versions IS 'Why a table cannot be versioned: the name of a refusal, and a fact for it.';

-- Of rows that are there already, each gets its own.
CREATE OR REPLACE PROCEDURE meta.add_row_hash(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    names text[];
    texts text;
BEGIN
    SELECT array_agg(attname::text), string_agg(format('%I::text', attname), ', ') INTO names, texts
    FROM pg_attribute
    WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped
      AND attname <> ALL (meta.system_columns());
    EXECUTE format('ALTER TABLE %s ADD COLUMN row_hash bigint', versioned);
    EXECUTE format('UPDATE %s SET row_hash = meta.row_hash(jsonb_object(%L::text[], ARRAY[%s]::text[]))',
                   versioned, names, texts);
    EXECUTE format('ALTER TABLE %s ALTER row_hash SET NOT NULL', versioned);
END $$;
COMMENT ON PROCEDURE meta.add_row_hash IS 'Gives a table row_hash, with the hash of each row it has.';

-- What there is of these columns stays, rows included; what is missing is added.
CREATE OR REPLACE PROCEDURE meta.add_period(versioned regclass, is_strict boolean DEFAULT true)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    needs_period constant boolean := is_strict AND NOT meta.has_column(versioned, 'sys_period') AND EXISTS (
        SELECT FROM pg_class WHERE oid = versioned AND relkind = 'r');
    is_open boolean;
    late timestamptz;
BEGIN
    EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS sys_start timestamptz DEFAULT transaction_timestamp(), '
                   'ADD COLUMN IF NOT EXISTS sys_end timestamptz DEFAULT ''infinity''', versioned);
    EXECUTE format('SELECT bool_or(sys_start IS NULL OR sys_end IS NULL), '
                   'max(greatest(sys_start, nullif(sys_end, ''infinity''))) FROM %s', versioned)
    INTO is_open, late;
    IF is_open THEN
        EXECUTE format('UPDATE %s SET sys_start = coalesce(sys_start, transaction_timestamp()), '
                       'sys_end = coalesce(sys_end, ''infinity'') '
                       'WHERE sys_start IS NULL OR sys_end IS NULL', versioned);
    END IF;
    IF late > transaction_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'period to come', 'table', versioned::text, 'late', late::text);
    END IF;
    EXECUTE format(
        'ALTER TABLE %s ALTER sys_start DROP DEFAULT, '
        'ALTER sys_start SET NOT NULL, '
        'ALTER sys_end SET DEFAULT ''infinity'', ALTER sys_end SET NOT NULL', versioned);
    IF needs_period THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN sys_period tstzrange '
                       'GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED', versioned);
    END IF;
END $$;
COMMENT ON PROCEDURE meta.add_period IS 'Gives a table sys_start, sys_end and, if its key is to have a period, sys_period; a row without them is current, from now on.';

-- The index comes before the key: of two current rows, a statement is told what it is always told.
CREATE OR REPLACE PROCEDURE meta.make_keys_current(versioned regclass, is_strict boolean DEFAULT true)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    keys constant text[] := meta.versioned_key(versioned);
    key constant text := array_to_string(keys, ', ');
    current_ones constant text := format(
        '(%s) WHERE (sys_end = ''infinity''::timestamp with time zone)', key);
    parted_by constant text := (
        SELECT quote_ident(attname) FROM pg_partitioned_table
        JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
        WHERE partrelid = versioned);
    primary_key record;
    other record;
BEGIN
    SELECT conname AS name, conperiod AS is_period INTO primary_key
    FROM pg_constraint
    WHERE conrelid = versioned AND contype = 'p';
    FOR other IN
        SELECT indexrelid::regclass AS index, conname, pg_get_indexdef(indexrelid)
                   || CASE WHEN indpred IS NULL THEN ' WHERE ' ELSE ' AND ' END
                   || 'sys_end = ''infinity''' AS definition
        FROM pg_index
        LEFT JOIN pg_constraint ON conindid = indexrelid AND contype = 'u'
        WHERE indrelid = versioned AND NOT indisprimary AND meta.counts_versions(indexrelid)
    LOOP
        EXECUTE CASE WHEN other.conname IS NULL
            THEN format('DROP INDEX %s', other.index)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', versioned, other.conname) END;
        EXECUTE other.definition;
    END LOOP;
    IF NOT primary_key.is_period THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', versioned, primary_key.name);
    END IF;
    -- A key with a period makes inserts into a large table many times slower.
    IF parted_by IS NOT NULL OR NOT (is_strict OR primary_key.is_period) THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (%s, sys_end), '
                       'ADD CHECK (sys_start < sys_end)', versioned, primary_key.name,
                       array_to_string(array_remove(keys, parted_by) || parted_by, ', '));
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = versioned AND indisunique
          AND right(pg_get_indexdef(indexrelid), length(current_ones)) = current_ones) THEN
        EXECUTE format('CREATE UNIQUE INDEX ON %s %s', versioned, current_ones);
    END IF;
    IF NOT primary_key.is_period THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I '
                       'PRIMARY KEY (%s, sys_period WITHOUT OVERLAPS)', versioned, primary_key.name, key);
    END IF;
EXCEPTION WHEN undefined_object OR undefined_function OR feature_not_supported THEN
    RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
        'key unfit', 'table', versioned::text, 'key', key, 'reason', SQLERRM);
END $$;
COMMENT ON PROCEDURE meta.make_keys_current IS 'What was unique in a table is unique among its current rows; where it has no partitions and is strict, no two versions of a key overlap.';

CREATE OR REPLACE PROCEDURE meta.add_default_partition(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    layer regnamespace;
    title name;
BEGIN
    SELECT relnamespace, relname INTO layer, title
    FROM pg_class JOIN pg_partitioned_table ON partrelid = oid AND partdefid = 0
    WHERE oid = versioned;
    IF FOUND THEN
        EXECUTE format('CREATE TABLE %s.%I PARTITION OF %s DEFAULT WITH (fillfactor = 90)',
                       layer, title || '_default', versioned);
        EXECUTE format('COMMENT ON TABLE %s.%I IS %L', layer, title || '_default',
                       'Rows of ' || title || ' with a date outside 2000 to 2099.');
    END IF;
END $$;
COMMENT ON PROCEDURE meta.add_default_partition IS 'Gives a partitioned table its DEFAULT partition, with room for rows that are updated in place.';

CREATE OR REPLACE PROCEDURE meta.make_current_view(versioned regclass, meaning text DEFAULT NULL)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    view constant text := meta.current_view(versioned);
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE VIEW %s AS SELECT %s FROM %s WHERE sys_end = ''infinity''', view,
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped
           AND attname NOT IN ('sys_end', 'sys_period')), versioned);
    EXECUTE format('COMMENT ON VIEW %s IS %L', view, coalesce(
        meaning, obj_description(to_regclass(view), 'pg_class'),
        format('The rows of %s as they are now.', versioned)));
END $$;
COMMENT ON PROCEDURE meta.make_current_view IS 'Makes the view of a table''s current rows, with the columns that the table has now.';

-- A column of the view, and of the DEFAULT partition, means what the table's means.
CREATE OR REPLACE PROCEDURE meta.comment_versions(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT attname, meaning
        FROM (VALUES
            ('row_hash', 'A hash of the source''s columns; a change that leaves it the same opens no version.'),
            ('sys_start', 'From when this version held: the commit time of the source transaction that made it.'),
            ('sys_end', 'Until when it held (excluded): the commit time of the source transaction that replaced or deleted it; infinity for the current version.'),
            ('sys_period', 'From sys_start until sys_end; no two versions of a key overlap.')
        ) AS its (name, meaning)
        JOIN pg_attribute ON attrelid = versioned AND attname = name AND NOT attisdropped
        WHERE col_description(attrelid, attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', versioned, one.attname, one.meaning);
    END LOOP;
    FOR one IN
        SELECT copy.attrelid::regclass AS relation, attname, col_description(versioned, its.attnum) AS meaning
        FROM pg_attribute AS its
        JOIN pg_attribute AS copy USING (attname)
        WHERE its.attrelid = versioned AND copy.attnum > 0 AND copy.attrelid IN (
            SELECT to_regclass(meta.current_view(versioned))
            UNION ALL SELECT partdefid FROM pg_partitioned_table WHERE partrelid = versioned)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.relation, one.attname, one.meaning);
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.comment_versions IS 'Says what the columns of a table''s versions mean, where nothing does, and the same of its view.';

CREATE OR REPLACE PROCEDURE meta.make_versioned(
    versioned regclass, current_rows text DEFAULT NULL, is_strict boolean DEFAULT true
)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    obstacle record;
BEGIN
    IF NOT meta.is_versioned(versioned) THEN
        SELECT * INTO obstacle FROM meta.obstacle_to_versions(versioned);
        IF obstacle.about IS NULL THEN
            SELECT 'period column unfit' AS about, 'row_hash ' || format_type(atttypid, -1) AS fact INTO obstacle
            FROM pg_attribute
            WHERE attrelid = versioned AND attname = 'row_hash' AND NOT attisdropped AND (
                atttypid <> 'bigint'::regtype OR attgenerated <> ''
                OR attname = ANY (meta.versioned_key(versioned)));
        END IF;
        IF obstacle.about IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                obstacle.about, 'table', versioned::text, 'fact', obstacle.fact);
        END IF;
        IF NOT meta.has_column(versioned, 'row_hash') THEN
            CALL meta.add_row_hash(versioned);
        END IF;
        CALL meta.add_period(versioned, is_strict);
        CALL meta.make_keys_current(versioned, is_strict);
    END IF;
    CALL meta.add_default_partition(versioned);
    CALL meta.make_current_view(versioned, current_rows);
    CALL meta.comment_versions(versioned);
END $$;
COMMENT ON PROCEDURE meta.make_versioned IS 'Gives a table with a primary key what keeps every version of its rows: row_hash and a period, keys by them, and a view of its current rows. The second argument is the view''s comment; the third, whether the server keeps versions from overlapping, which makes inserts many times slower.';
