-- Tables that version themselves, for schema scratch: scd_system_versioned('t') makes one of a
-- table, and so does CREATE TABLE … WITH (system_versioning = true) on a connection with the hook.
-- Every function runs as who calls it: a table's owner could have triggers and defaults of its own
-- run by a function of ours, so none of ours may do more than that owner. What is parsed when it is
-- made needs no search_path of its own.

CREATE OR REPLACE FUNCTION meta.versioned_columns(versioned regclass) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (
        SELECT array_agg(quote_ident(attname) ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attname NOT IN ('sys_start', 'sys_end')
    );
COMMENT ON FUNCTION meta.versioned_columns IS 'The columns, quoted, whose change opens a version.';

CREATE OR REPLACE FUNCTION meta.each_of(names text[], one text, between_them text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN (
        SELECT string_agg(replace(one, '@', name), between_them ORDER BY place)
        FROM unnest(names) WITH ORDINALITY AS part (name, place)
    );
COMMENT ON FUNCTION meta.each_of IS 'A text for each of the names, which is @ in it.';

-- The setting alone could be made by anybody; the depth says that the trigger which made it is at
-- work, and that the change is its own: one that a user's trigger makes meanwhile is deeper.
CREATE OR REPLACE FUNCTION meta.is_keeping_history(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN pg_trigger_depth() > 1
       AND current_setting('medallion.keeping_history', true) = versioned || ' ' || pg_trigger_depth() - 1;
COMMENT ON FUNCTION meta.is_keeping_history IS 'Whether a change is one that the table''s own triggers make.';

-- Strings and comments are dropped: no word in them is one of the statement's.
CREATE OR REPLACE FUNCTION meta.words_of(query text, OUT place bigint, OUT word text, OUT depth bigint)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC
        SELECT
            found.place,
            CASE WHEN matched[1] ~ '^".+"$' THEN replace(substr(matched[1], 2, length(matched[1]) - 2), '""', '"')
                 ELSE lower(matched[1]) END,
            sum(CASE matched[1] WHEN '(' THEN 1 WHEN ')' THEN -1 ELSE 0 END) OVER (ORDER BY found.place)
        FROM regexp_matches(query, concat(
            '(--[^\n]*',
            '|/\*(?:[^*/]|\*(?!/)|/(?!\*)|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*\*/',
            '|[eE]''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*''',
            '|\$(\w*)\$(?:[^$]|\$(?!\w*\$))*\$\2\$',
            '|"(?:[^"]|"")*"',
            '|[^\x01-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+',
            '|\S)'), 'g') WITH ORDINALITY AS found (matched, place)
        WHERE matched[1] !~ '^(--|/\*|[eE]?''|\$)';
    END;
COMMENT ON FUNCTION meta.words_of IS 'The words of a statement, names without quotes and others in lower case, and in how many brackets each stands.';

CREATE OR REPLACE FUNCTION meta.merges_into(query text, target text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC
        WITH words AS MATERIALIZED (
            SELECT *, lead(word) OVER (ORDER BY place) AS next_word FROM meta.words_of(query)
        )
        SELECT EXISTS (
            SELECT FROM words AS merge
            CROSS JOIN LATERAL (
                SELECT word FROM words
                WHERE place > merge.place AND word NOT IN ('into', 'only', '.')
                  AND next_word IS DISTINCT FROM '.'
                ORDER BY place
                LIMIT 1) AS named
            CROSS JOIN LATERAL (
                SELECT min(place) AS place FROM words
                WHERE place > merge.place AND word = 'when' AND depth = merge.depth) AS first_when
            WHERE merge.word = 'merge' AND merge.next_word = 'into' AND named.word = target
              AND NOT EXISTS (
                SELECT FROM words
                WHERE word = 'sys_end' AND place < first_when.place AND place > (
                    SELECT max(place) FROM words
                    WHERE word = 'on' AND depth = merge.depth AND place < first_when.place)));
    END;
COMMENT ON FUNCTION meta.merges_into IS 'Whether a statement is a MERGE into a table of that name, with nothing of sys_end in its ON.';

-- Of a prepared statement or an SQL function nothing but the name is there.
CREATE OR REPLACE FUNCTION meta.statement_of(context text) RETURNS text
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT concat_ws(
            E'\n;', query,
            (SELECT string_agg(statement, E'\n;') FROM pg_prepared_statements
             WHERE query ~* '\mexecute\M' AND strpos(lower(query), lower(name)) > 0),
            (SELECT string_agg(coalesce(pg_get_function_sqlbody(pg_proc.oid), prosrc), E'\n;')
             FROM pg_proc JOIN pg_language ON pg_language.oid = prolang AND lanname = 'sql'
             WHERE proname = substring(query FROM '^([^"»«“”]+)["»«“”] ')))
        FROM (SELECT CASE WHEN strpos(context, E'\n') = 0 THEN current_query()
                          ELSE substring(context FROM '\n[^"»«„“\n]*["»«„“](.*)$') END) AS sent (query);
    END;
COMMENT ON FUNCTION meta.statement_of IS 'The statement that fired a trigger, by the trigger''s PG_CONTEXT: the innermost one quoted there, or what the client sent.';

CREATE OR REPLACE FUNCTION meta.obstacle_to_keeping(versioned oid, OUT about text, OUT fact text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT 'trigger after ours', quote_ident(tgname)
        FROM pg_trigger
        WHERE tgrelid = versioned AND tgtype & 3 = 3 AND tgenabled IN ('O', 'A')
          AND tgname > '~~~system_versioning_row'
        UNION ALL
        SELECT 'unique among versions', indexrelid::regclass::text
        FROM pg_index
        WHERE indrelid = versioned AND indisunique AND meta.counts_versions(indexrelid)
        UNION ALL
        SELECT 'rule on versions', quote_ident(rulename)
        FROM pg_rewrite
        WHERE ev_class = versioned
        UNION ALL
        SELECT 'versioned in parts', NULL
        FROM pg_inherits
        WHERE versioned IN (inhrelid, inhparent)
        LIMIT 1;
    END;
COMMENT ON FUNCTION meta.obstacle_to_keeping IS 'What was added to a table since, and would spoil its versions: the name of a refusal, and a fact for it.';

CREATE OR REPLACE FUNCTION meta.versioned_before_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    here text;
    obstacle record;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'history truncated', 'table', TG_RELID::regclass::text);
    END IF;
    IF meta.is_keeping_history(TG_RELID) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO obstacle FROM meta.obstacle_to_keeping(TG_RELID);
    IF obstacle.about IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            obstacle.about, 'table', TG_RELID::regclass::text, 'fact', obstacle.fact);
    END IF;
    -- MERGE would take a row that was deleted for one that is there, and not insert it again.
    GET DIAGNOSTICS here = PG_CONTEXT;
    here := meta.statement_of(here);
    IF here ~* '\mmerge\M' AND meta.merges_into(here, TG_TABLE_NAME) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'history merged', 'table', TG_RELID::regclass::text,
            'view', meta.current_view(TG_RELID));
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_before_statement IS 'Refuses TRUNCATE of a system-versioned table, and a MERGE into it that would take closed versions for rows.';

CREATE OR REPLACE FUNCTION meta.versioned_before_closed_row() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN CASE WHEN meta.is_keeping_history(TG_RELID) THEN coalesce(NEW, OLD) END;
END $$;
COMMENT ON FUNCTION meta.versioned_before_closed_row IS 'Leaves closed versions as they are, before other triggers see them.';

-- It has the last word by its name, so what it compares is what will be written.
CREATE OR REPLACE FUNCTION meta.versioned_before_row() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    instant constant timestamptz := transaction_timestamp();
    versions refcursor;
    generated jsonb;
    has_hash boolean;
    key_names name[];
    is_key_new boolean := true;
    last timestamptz;
BEGIN
    IF meta.is_keeping_history(TG_RELID) THEN
        -- As it was, whatever a user's triggers have made of it: in the cursor, or in OLD.
        IF TG_OP = 'INSERT' THEN
            versions := 'system_versioning ' || pg_trigger_depth() - 1;
            FETCH versions INTO NEW;
            NEW.sys_end := instant;
        ELSIF TG_OP = 'UPDATE' THEN
            last := NEW.sys_start;
            NEW := OLD;
            NEW.sys_start := last;
        ELSE
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    -- Through a parent, none of the table's triggers of a statement is called.
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = TG_RELID) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versioned in parts', 'table', TG_RELID::regclass::text);
    END IF;
    IF TG_OP = 'DELETE' THEN
        last := OLD.sys_start;
    ELSE
        IF NEW.sys_end <> 'infinity' OR NEW.sys_start <> instant
           AND (TG_OP = 'INSERT' OR NEW.sys_start <> OLD.sys_start) THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                'period written', 'table', TG_RELID::regclass::text,
                'view', meta.current_view(TG_RELID));
        END IF;
        -- What is generated is not in NEW yet, so it is nothing in both, or for a domain what it was.
        SELECT jsonb_object_agg(attname, CASE
                   WHEN attname <> 'sys_period' AND (SELECT typtype FROM pg_type WHERE pg_type.oid = atttypid) = 'd'
                   THEN to_jsonb(OLD) -> attname::text END) FILTER (WHERE attgenerated <> ''),
               bool_or(attname = 'row_hash' AND atttypid IN (
                   'int8'::regtype, 'numeric'::regtype, 'text'::regtype, 'varchar'::regtype)),
               array_agg(attname) FILTER (
                   WHERE attnum = ANY (conkey)
                     AND attname NOT IN ('sys_start', 'sys_end', 'sys_period'))
        INTO generated, has_hash, key_names
        FROM pg_attribute
        JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
        IF TG_OP = 'UPDATE' THEN
            NEW.sys_start := OLD.sys_start;
            NEW.sys_end := 'infinity';
            IF jsonb_populate_record(NEW, generated) *= jsonb_populate_record(OLD, generated) THEN
                RETURN NEW;
            END IF;
            last := OLD.sys_start;
            is_key_new := EXISTS (
                SELECT FROM unnest(key_names) AS part (name)
                WHERE to_jsonb(NEW) -> name::text IS DISTINCT FROM to_jsonb(OLD) -> name::text);
        END IF;
        -- A key that is new to the table may have been in it before.
        IF is_key_new AND (last IS NULL OR last <= instant) THEN
            EXECUTE format(
                'SELECT max(sys_end) FROM %s WHERE %s AND sys_end > $2 AND sys_end < ''infinity''',
                TG_RELID::regclass, (
                    SELECT string_agg(format('%1$I = ($1).%1$I', name), ' AND ') FROM unnest(key_names) AS part (name)))
            INTO last USING NEW, instant;
        END IF;
    END IF;
    IF last > instant THEN
        RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = meta.refusal(
            'transaction began before', 'table', TG_RELID::regclass::text,
            'begun', instant::text, 'version', last::text);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    -- Of the values that are there, unless the statement brings a hash of its own. A null within a
    -- document is a value.
    IF has_hash THEN
        IF TG_OP = 'INSERT' AND to_jsonb(NEW) ->> 'row_hash' IS NULL
           OR TG_OP = 'UPDATE' AND to_jsonb(NEW) -> 'row_hash' = to_jsonb(OLD) -> 'row_hash' THEN
            NEW := jsonb_populate_record(NEW, jsonb_build_object(
                'row_hash', (
                    SELECT hashtextextended(jsonb_object_agg(key, value)::text, 0)
                    FROM jsonb_each(to_jsonb(NEW) - '{row_hash,sys_start,sys_end,sys_period}'::text[])
                    WHERE value <> 'null')));
        END IF;
    END IF;
    NEW.sys_start := instant;
    NEW.sys_end := 'infinity';
    RETURN NEW;
END $$;
COMMENT ON FUNCTION meta.versioned_before_row IS 'Gives what a statement writes the transaction''s time, where it writes anything new.';

-- Once the new versions are there, the old ones are inserted as history: before, they would
-- overlap. Users' triggers see that too, and find their own tables by the caller's search_path,
-- so the function has none.
CREATE OR REPLACE FUNCTION meta.versioned_after_statement() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    instant constant timestamptz := transaction_timestamp();
    keeping constant text := current_setting('medallion.keeping_history', true);
    key constant text[] := meta.versioned_key(TG_RELID);
    columns constant text[] := meta.versioned_columns(TG_RELID);
    same constant text := meta.each_of(key, 'one.@ = other.@', ' AND ');
    touched constant text := meta.each_of(key, 'one.@ = touched.@', ' AND ');
    replaced text := 'FROM was AS one WHERE sys_start < $1';
    versions refcursor := 'system_versioning ' || pg_trigger_depth();
    again tid[];
    kept bigint;
    is_kept boolean := true;
BEGIN
    IF meta.is_keeping_history(TG_RELID) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('medallion.keeping_history', TG_RELID || ' ' || pg_trigger_depth(), true);
    IF TG_OP <> 'INSERT' THEN
        IF TG_OP = 'UPDATE' THEN
            replaced := format('%s AND NOT EXISTS (SELECT FROM now_is AS other
                WHERE %s AND other.sys_start = one.sys_start)', replaced, same);
        END IF;
        -- Row by row, the trigger takes from here what the INSERT brought before users' triggers had it.
        OPEN versions FOR EXECUTE 'SELECT * ' || replaced USING instant;
        EXECUTE format(
            'INSERT INTO %s (%s, sys_start, sys_end) OVERRIDING SYSTEM VALUE '
            'SELECT %2$s, sys_start, $1 %s', TG_RELID::regclass, array_to_string(columns, ', '), replaced)
        USING instant;
        MOVE versions;
        is_kept := NOT FOUND;
        CLOSE versions;
        PERFORM set_config('medallion.has_closed', 'yes', true);
    END IF;
    -- What a transaction takes away and puts back as it was goes on, as if it had stayed.
    -- Key by key, by index: what this statement has written is in no statistics yet.
    IF TG_OP <> 'INSERT' OR current_setting('medallion.has_closed', true) = 'yes' THEN
        EXECUTE format(
            'SELECT array_agg(one.ctid) FROM (SELECT DISTINCT %s FROM %s) AS touched
             CROSS JOIN LATERAL (
                SELECT * FROM %3$s AS one WHERE %4$s AND sys_end = ''infinity'' AND sys_start = $1 OFFSET 0) AS other
             CROSS JOIN LATERAL (
                SELECT ctid, * FROM %3$s AS one WHERE %4$s AND sys_end = $1 OFFSET 0) AS one
             WHERE ROW(%5$s)::record *= ROW(%6$s)::record',
            array_to_string(key, ', '), CASE WHEN TG_OP = 'DELETE' THEN 'was' ELSE 'now_is' END,
            TG_RELID::regclass, touched,
            meta.each_of(columns, 'one.@', ', '), meta.each_of(columns, 'other.@', ', '))
        INTO again USING instant;
    END IF;
    IF again IS NOT NULL THEN
        EXECUTE format(
            'WITH other AS (DELETE FROM %1$s WHERE ctid = ANY ($1) RETURNING *),
             back AS (
                UPDATE %1$s AS one SET sys_start = other.sys_start FROM other
                WHERE %2$s AND one.sys_end = ''infinity''
                RETURNING one.sys_start = other.sys_start AS is_kept)
             SELECT count(*) FILTER (WHERE is_kept) FROM back', TG_RELID::regclass, same)
        INTO kept USING again;
        is_kept := is_kept AND kept = cardinality(again);
    END IF;
    IF NOT is_kept THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'trigger skips versions', 'table', TG_RELID::regclass::text);
    END IF;
    PERFORM set_config('medallion.keeping_history', coalesce(keeping, ''), true);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_after_statement IS 'Keeps what a statement replaced or deleted as closed versions.';

CREATE OR REPLACE FUNCTION meta.is_system_versioned(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = versioned AND tgfoid = 'meta.versioned_before_row()'::regprocedure);
COMMENT ON FUNCTION meta.is_system_versioned IS 'Whether a table keeps its versions itself.';

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
    CALL meta.make_current_view(versioned);
    CALL meta.comment_versions(versioned);
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
        SELECT about, fact INTO obstacle
        FROM (
            SELECT 1, 'not in scratch' AS about, NULL AS fact
            FROM pg_class
            WHERE oid = versioned
              AND (relpersistence = 't' OR relnamespace <> 'scratch'::regnamespace)
            UNION ALL
            SELECT 2, 'versioned in parts', NULL FROM pg_class WHERE oid = versioned AND relkind = 'p'
            UNION ALL
            SELECT 3, found.* FROM meta.obstacle_to_versions(versioned) AS found
        ) AS found (place)
        WHERE about IS NOT NULL
        ORDER BY place
        LIMIT 1;
        IF obstacle.about IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
                obstacle.about, 'table', versioned::text, 'fact', obstacle.fact);
        END IF;
        CALL meta.add_period(versioned);
        EXECUTE format('ALTER TABLE %s ALTER sys_start SET DEFAULT transaction_timestamp()', versioned);
        CALL meta.make_keys_current(versioned);
        CALL meta.add_versioning_triggers(versioned);
        EXECUTE format('COMMENT ON COLUMN %s.sys_start IS %L', versioned,
            'From when this version held: the time of the transaction that made it.');
        EXECUTE format('COMMENT ON COLUMN %s.sys_end IS %L', versioned,
            'Until when it held (excluded); infinity for the current version.');
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
