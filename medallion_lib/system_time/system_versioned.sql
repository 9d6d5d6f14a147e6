-- Making a table version itself; what its triggers do stands in system_versioning.sql.

CREATE OR REPLACE FUNCTION meta.is_system_versioned(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = versioned AND tgfoid = 'meta.versioned_before_row()'::regprocedure);
COMMENT ON FUNCTION meta.is_system_versioned IS 'Whether a table keeps its versions itself.';

CREATE OR REPLACE FUNCTION meta.current_view(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT format('%s.%I', relnamespace::regnamespace,
                      CASE WHEN relname ~ '._hist$' THEN left(relname, -5)
                           ELSE relname || '_current' END)
        FROM pg_class
        WHERE oid = versioned);
COMMENT ON FUNCTION meta.current_view IS 'What the view of a table''s current rows is called.';

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
            SELECT 1, 'not in scratch', NULL
            FROM pg_class
            WHERE oid = versioned
              AND (relpersistence = 't' OR relnamespace <> 'scratch'::regnamespace)
            UNION ALL
            SELECT 2, 'versioned in parts', NULL
            FROM pg_class
            WHERE oid = versioned AND (relkind = 'p' OR EXISTS (
                SELECT FROM pg_inherits WHERE versioned IN (inhrelid, inhparent)))
            UNION ALL
            SELECT 3, 'not a table', NULL
            FROM pg_class
            WHERE oid = versioned AND relkind <> 'r'
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
COMMENT ON FUNCTION meta.obstacle_to_versions IS 'Why a table cannot keep its versions itself: the name of a refusal, and a fact for it.';

-- What there is of these columns stays, rows included; what is missing is added.
CREATE OR REPLACE PROCEDURE meta.add_period(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    has_period constant boolean := EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = versioned AND attname = 'sys_period' AND NOT attisdropped);
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
        'ALTER TABLE %s ALTER sys_start SET DEFAULT transaction_timestamp(), '
        'ALTER sys_start SET NOT NULL, '
        'ALTER sys_end SET DEFAULT ''infinity'', ALTER sys_end SET NOT NULL', versioned);
    IF NOT has_period THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN sys_period tstzrange '
                       'GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED', versioned);
    END IF;
END $$;
COMMENT ON PROCEDURE meta.add_period IS 'Gives a table sys_start, sys_end and sys_period; a row without them is current, from now on.';

-- The index comes before the key: of two current rows, a statement is told what it is always told.
CREATE OR REPLACE PROCEDURE meta.make_keys_current(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    key constant text := array_to_string(meta.versioned_key(versioned), ', ');
    current_ones constant text := format(
        '(%s) WHERE (sys_end = ''infinity''::timestamp with time zone)', key);
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
COMMENT ON PROCEDURE meta.make_keys_current IS 'What was unique in a table is unique among its current rows, and no two versions of a key overlap.';

-- Of the triggers for a row, PostgreSQL calls them by their names: the second sees what no other
-- needs to see, and the third what all others made of a row.
CREATE OR REPLACE PROCEDURE meta.add_versioning_triggers(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN VALUES
        ('system_versioning_statement', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE', 'STATEMENT',
         'versioned_before_statement', 'Refuses what would take closed versions for rows.'),
        ('!!!system_versioning_closed', 'BEFORE UPDATE OR DELETE',
         'ROW WHEN (OLD.sys_end <> ''infinity'')',
         'versioned_before_closed_row', 'Leaves closed versions as they are.'),
        ('~~~system_versioning_row', 'BEFORE INSERT OR UPDATE OR DELETE', 'ROW',
         'versioned_before_row', 'Writes what is new, at the transaction''s time.'),
        ('system_versioning_inserted', 'AFTER INSERT', 'STATEMENT',
         'versioned_after_statement', 'Lets a row that comes back unchanged go on.'),
        ('system_versioning_updated', 'AFTER UPDATE', 'STATEMENT',
         'versioned_after_statement', 'Keeps what was replaced as closed versions.'),
        ('system_versioning_deleted', 'AFTER DELETE', 'STATEMENT',
         'versioned_after_statement', 'Keeps what was deleted as closed versions.')
    LOOP
        EXECUTE format('CREATE TRIGGER %I %s ON %s %s FOR EACH %s EXECUTE FUNCTION meta.%I()',
                       one.column1, one.column2, versioned, CASE one.column2
                           WHEN 'AFTER INSERT' THEN 'REFERENCING NEW TABLE AS now_is'
                           WHEN 'AFTER UPDATE' THEN 'REFERENCING OLD TABLE AS was NEW TABLE AS now_is'
                           WHEN 'AFTER DELETE' THEN 'REFERENCING OLD TABLE AS was'
                       END, one.column3, one.column4);
        EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', one.column1, versioned, one.column5);
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.add_versioning_triggers IS 'Has a table keep its versions from now on.';

-- By its number, since the name may be about to change.
CREATE OR REPLACE PROCEDURE meta.drop_current_view(versioned oid)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('DROP VIEW IF EXISTS %s', meta.current_view(versioned));
END $$;
COMMENT ON PROCEDURE meta.drop_current_view IS 'Drops the view of a table''s current rows, so that the table can be changed or dropped.';

CREATE OR REPLACE PROCEDURE meta.renew_current_view(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    view constant text := meta.current_view(versioned);
    missing text;
BEGIN
    SELECT string_agg(name, ', ') INTO missing
    FROM (VALUES ('sys_start'), ('sys_end'), ('sys_period')) AS needed (name)
    WHERE NOT EXISTS (SELECT FROM pg_attribute
                      WHERE attrelid = versioned AND attname = name AND NOT attisdropped);
    IF missing IS NULL AND NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = versioned AND contype = 'p' AND conperiod) THEN
        missing := 'PRIMARY KEY (…, sys_period WITHOUT OVERLAPS)';
    END IF;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versioning taken apart', 'table', versioned::text, 'missing', missing, 'view', view);
    END IF;
    IF meta.constraint_on_versions(versioned) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'constraint on versions', 'table', versioned::text,
            'fact', meta.constraint_on_versions(versioned));
    END IF;
    CALL meta.make_keys_current(versioned);
    EXECUTE format(
        'CREATE OR REPLACE VIEW %s AS SELECT %s FROM %s WHERE sys_end = ''infinity''', view,
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped
           AND attname NOT IN ('sys_end', 'sys_period')), versioned);
    EXECUTE format('COMMENT ON VIEW %s IS ''The rows of %s as they are now.''', view,
                   replace(versioned::text, '''', ''''''));
END $$;
COMMENT ON PROCEDURE meta.renew_current_view IS 'Makes the view of a table''s current rows, with the columns that the table has now.';

CREATE OR REPLACE FUNCTION meta.scd_system_versioned("table" regclass) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    versioned constant regclass := "table";
    obstacle record;
BEGIN
    IF NOT meta.is_system_versioned(versioned) THEN
        SELECT * INTO obstacle FROM meta.obstacle_to_versions(versioned);
        IF obstacle.about IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                obstacle.about, 'table', versioned::text, 'fact', obstacle.fact);
        END IF;
        CALL meta.add_period(versioned);
        CALL meta.make_keys_current(versioned);
        CALL meta.add_versioning_triggers(versioned);
        EXECUTE format('COMMENT ON COLUMN %s.sys_start IS %L', versioned,
            'From when this version held: the time of the transaction that made it.');
        EXECUTE format('COMMENT ON COLUMN %s.sys_end IS %L', versioned,
            'Until when it held (excluded); infinity for the current version.');
        EXECUTE format('COMMENT ON COLUMN %s.sys_period IS %L', versioned,
            'From sys_start until sys_end; no two versions of a key overlap.');
    END IF;
    CALL meta.renew_current_view(versioned);
    RETURN meta.current_view(versioned);
END $$;
COMMENT ON FUNCTION meta.scd_system_versioned IS 'Has a table of schema scratch keep every version of its rows, and gives the view of the current ones. On a table that does so already, only the view is made again.';

-- A row of the catalog that is seen and not committed is one's own, of this transaction.
CREATE OR REPLACE PROCEDURE meta.created_system_versioned("table" regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT meta.is_system_versioned("table") AND (
        SELECT pg_xact_status((pg_current_xact_id()::text::bigint - age(xmin))::text::xid8)
        FROM pg_class WHERE oid = "table") IS DISTINCT FROM 'in progress' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'exists without versions', 'table', "table"::text);
    END IF;
    PERFORM meta.scd_system_versioned("table");
END $$;
COMMENT ON PROCEDURE meta.created_system_versioned IS 'What CREATE TABLE … WITH (system_versioning = true) goes on to do; IF NOT EXISTS may have found a table there.';
