-- Tables that version themselves, for schema scratch: scd_system_versioned('t') makes one of a
-- table, and so does CREATE TABLE … WITH (system_versioning = true) on a connection with the hook.
-- The current rows stay in the table as it was declared. Closed versions lie in a table of schema
-- history, which belongs to the maker of the warehouse. Rights keep it, and no setting.
-- SECURITY DEFINER is what writes there: of a user's, it runs no trigger, default, check or cast.
-- All else runs as who calls it. What is parsed when it is made needs no search_path of its own.
CREATE SCHEMA IF NOT EXISTS history;
GRANT USAGE ON SCHEMA history TO PUBLIC;
COMMENT ON SCHEMA history IS 'Closed versions of the tables that version themselves: their triggers write them, and their owner where versioning has ended.';

CREATE TABLE IF NOT EXISTS history.tables (
    versioned    regclass PRIMARY KEY,
    history      regclass NOT NULL,
    is_kept      boolean NOT NULL DEFAULT false,
    system_time  timestamptz,
    current_view regclass,
    triggers     text[]
);
ALTER TABLE history.tables ADD COLUMN IF NOT EXISTS triggers text[];
COMMENT ON TABLE history.tables IS 'One row for each table that versions itself, with the table of its closed versions.';
COMMENT ON COLUMN history.tables.versioned IS 'The table, which has the current rows.';
COMMENT ON COLUMN history.tables.history IS 'The table of its closed versions.';
COMMENT ON COLUMN history.tables.is_kept IS 'Whether its versions are kept now; false once versioning has ended.';
COMMENT ON COLUMN history.tables.current_view IS 'The view of its current rows.';
COMMENT ON COLUMN history.tables.triggers IS 'The triggers that keep its versions, as they were made: who switches one off and on leaves it another.';
COMMENT ON COLUMN history.tables.system_time IS 'The time that its versions get while its owner replays changes; null for that of each transaction.';

-- A transaction in REPEATABLE READ does not see which keys others took away since, and can insert them.
-- No snapshot keeps a sequence from being read as it is. It is set at commit, so that of a
-- transaction's own keys it tells nothing, and before what waits for the commit goes on.
CREATE SEQUENCE IF NOT EXISTS meta.key_gone_at;
COMMENT ON SEQUENCE meta.key_gone_at IS 'When a key was last taken away from a table that versions itself, in microseconds.';
CREATE TABLE IF NOT EXISTS meta.key_gone (transaction bigint PRIMARY KEY DEFAULT txid_current());
COMMENT ON TABLE meta.key_gone IS 'A row while a transaction that took a key away from a table that versions itself goes on.';
COMMENT ON COLUMN meta.key_gone.transaction IS 'Which transaction it is.';

CREATE OR REPLACE FUNCTION meta.tell_key_gone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    told constant regclass := 'meta.key_gone_at';
BEGIN
    -- In this order, and nothing between them can fail.
    PERFORM pg_advisory_lock(told::bigint), setval(told, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint),
            pg_advisory_unlock(told::bigint);
    DELETE FROM meta.key_gone;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.tell_key_gone IS 'Tells transactions that do not see it that a key was taken away.';
DROP TRIGGER IF EXISTS told ON meta.key_gone;
CREATE CONSTRAINT TRIGGER told AFTER INSERT ON meta.key_gone DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION meta.tell_key_gone();

CREATE OR REPLACE FUNCTION meta.owns(relation oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = relation), false);
COMMENT ON FUNCTION meta.owns IS 'Whether who asks may do with a table what its owner may.';

ALTER TABLE history.tables ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS anybody ON history.tables;
DROP POLICY IF EXISTS owner ON history.tables;
CREATE POLICY anybody ON history.tables FOR SELECT USING (true);
CREATE POLICY owner ON history.tables FOR UPDATE USING (meta.owns(versioned));
GRANT SELECT, UPDATE (is_kept, system_time, current_view, triggers) ON history.tables TO PUBLIC;

CREATE OR REPLACE FUNCTION meta.history_of(versioned oid) RETURNS regclass
    LANGUAGE sql STABLE
    RETURN (SELECT history FROM history.tables AS it WHERE it.versioned = history_of.versioned);
COMMENT ON FUNCTION meta.history_of IS 'The table of a table''s closed versions; null where it never kept any.';

CREATE OR REPLACE FUNCTION meta.system_instant(versioned oid) RETURNS timestamptz
    LANGUAGE sql STABLE
    RETURN coalesce((SELECT system_time FROM history.tables AS it
                     WHERE it.versioned = system_instant.versioned), transaction_timestamp());
COMMENT ON FUNCTION meta.system_instant IS 'The time of the versions that a transaction makes: when it began, unless the owner replays changes.';

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

-- What a setting says here decides of nothing but which of a user's own changes is left out.
CREATE OR REPLACE FUNCTION meta.is_going_on(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN pg_trigger_depth() > 1
       AND current_setting('medallion.going_on', true) = versioned || ' ' || pg_trigger_depth() - 1;
COMMENT ON FUNCTION meta.is_going_on IS 'Whether an UPDATE is the one by which a row goes on that came back unchanged.';

-- VOLATILE, so that it sees what the statement itself has set: the time of the versions above all.
CREATE OR REPLACE FUNCTION meta.asks_nothing_of_rows(versioned oid) RETURNS boolean
    LANGUAGE sql VOLATILE
    RETURN NOT EXISTS (SELECT FROM history.tables AS it
                       WHERE it.versioned = asks_nothing_of_rows.versioned AND system_time IS NOT NULL)
       AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = versioned)
       AND NOT EXISTS (SELECT FROM pg_attribute
                       WHERE attrelid = versioned AND attnum > 0 AND (attgenerated <> '' OR attname = 'row_hash'));
COMMENT ON FUNCTION meta.asks_nothing_of_rows IS 'Whether a table''s versions get the time of each transaction, and it is no part, and computes no column.';

-- IMMUTABLE, so that of a trigger's own table it is asked once in each statement, as the first row comes.
CREATE OR REPLACE FUNCTION meta.is_plainly_versioned(versioned oid) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN meta.asks_nothing_of_rows(versioned);
COMMENT ON FUNCTION meta.is_plainly_versioned IS 'Whether a table''s rows have nothing looked up for each of them, as the first row of a statement finds it.';

CREATE OR REPLACE FUNCTION meta.is_first_change(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN meta.is_plainly_versioned(versioned) AND coalesce(current_setting('medallion.closed', true), '') = '';
COMMENT ON FUNCTION meta.is_first_change IS 'Whether nothing has to be looked up for each row of a statement: its table has none of what asks for it, and its transaction has closed no versions.';

-- PostgreSQL calls triggers by their names: the first sees what a statement says, before a user's
-- triggers do, and the last what all others made of a row. @ is the table.
CREATE OR REPLACE FUNCTION meta.versioning_triggers()
    RETURNS TABLE (name text, event text, tables text, per text, condition text, function text, meaning text)
    LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC
        VALUES
            ('system_versioning_statement', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE', '', 'STATEMENT', '',
             'versioned_before_statement', 'Refuses what would take closed versions away, or let them go unkept.'),
            ('!!!system_versioning_inserted', 'BEFORE INSERT', '', 'ROW',
             'WHEN (NEW.sys_end <> ''infinity'' OR NEW.sys_start <> transaction_timestamp())',
             'versioned_period_written', 'Refuses a statement that writes sys_start or sys_end.'),
            ('!!!system_versioning_updated', 'BEFORE UPDATE', '', 'ROW',
             'WHEN (NEW.sys_end <> ''infinity'' OR NEW.sys_start <> OLD.sys_start AND NEW.sys_start <> transaction_timestamp())',
             'versioned_period_written', 'Refuses a statement that writes sys_start or sys_end.'),
            ('~~~system_versioning_row', 'BEFORE INSERT OR UPDATE OR DELETE', '', 'ROW',
             'WHEN (NOT meta.is_first_change(@))',
             'versioned_before_row', 'Gives what is new the transaction''s time.'),
            ('~~~system_versioning_row_deleted', 'BEFORE DELETE', '', 'ROW',
             'WHEN (OLD.sys_start > transaction_timestamp() AND meta.is_first_change(@))',
             'versioned_before_row', 'Refuses to end a version before it began.'),
            ('~~~system_versioning_row_inserted', 'BEFORE INSERT', '', 'ROW',
             'WHEN ((NEW.sys_start, NEW.sys_end) IS DISTINCT FROM (transaction_timestamp(), timestamptz ''infinity'')'
             ' AND meta.is_first_change(@))',
             'versioned_before_row', 'Gives what is new the transaction''s time.'),
            ('~~~system_versioning_row_updated', 'BEFORE UPDATE', '', 'ROW', 'WHEN (meta.is_first_change(@))',
             'versioned_before_update', 'Gives what is new the transaction''s time.'),
            ('system_versioning_inserted', 'AFTER INSERT', 'REFERENCING NEW TABLE AS now_is', 'STATEMENT', '',
             'versioned_after_statement', 'Lets a row that comes back unchanged go on.'),
            ('system_versioning_updated', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS was NEW TABLE AS now_is', 'STATEMENT', '',
             'versioned_after_statement', 'Keeps what was replaced as closed versions.'),
            ('system_versioning_deleted', 'AFTER DELETE', 'REFERENCING OLD TABLE AS was', 'STATEMENT', '',
             'versioned_after_statement', 'Keeps what was deleted as closed versions.'),
            ('system_versioning_inserted_again', 'AFTER INSERT', 'REFERENCING NEW TABLE AS touched', 'STATEMENT', '',
             'versioned_again', 'Lets a row that came back unchanged go on.'),
            ('system_versioning_updated_again', 'AFTER UPDATE', 'REFERENCING NEW TABLE AS touched', 'STATEMENT', '',
             'versioned_again', 'Lets a row that came back unchanged go on.'),
            ('system_versioning_deleted_again', 'AFTER DELETE', 'REFERENCING OLD TABLE AS touched', 'STATEMENT', '',
             'versioned_again', 'Lets a row that came back unchanged go on.');
    END;
COMMENT ON FUNCTION meta.versioning_triggers IS 'The triggers of a table that versions itself, as they are to be.';

CREATE OR REPLACE FUNCTION meta.missing_trigger(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT min(format('trigger %I', ours.name))
        FROM meta.versioning_triggers() AS ours
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = versioned AND tgname = ours.name AND tgenabled IN ('O', 'A')
              AND tgfoid = to_regproc('meta.' || ours.function)));
COMMENT ON FUNCTION meta.missing_trigger IS 'A trigger of ours that a table lacks, or that is disabled; null where all are at work.';

CREATE OR REPLACE FUNCTION meta.triggers_as_made(versioned oid) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (
        SELECT array_agg(format('%s %s %s', tgrelid, pg_trigger.oid, pg_trigger.xmin))
        FROM meta.versioning_triggers() AS ours
        JOIN pg_trigger ON tgrelid = versioned AND tgname = ours.name);
COMMENT ON FUNCTION meta.triggers_as_made IS 'The triggers of ours that a table has, each with the table''s number and the transaction that changed it last.';

-- While it was switched off, nobody saw what changed. A backup's table has a number of its own where it
-- is restored, and its triggers are as they were made there.
CREATE OR REPLACE FUNCTION meta.changed_trigger(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN (
        SELECT min(format('trigger %I', ours.name))
        FROM history.tables AS it
        JOIN pg_trigger ON tgrelid = it.versioned
        JOIN meta.versioning_triggers() AS ours ON ours.name = tgname
        WHERE it.versioned = changed_trigger.versioned
          AND format('%s %s %s', tgrelid, pg_trigger.oid, pg_trigger.xmin) <> ALL (triggers)
          AND EXISTS (SELECT FROM unnest(triggers) AS made WHERE starts_with(made, tgrelid || ' ')));
COMMENT ON FUNCTION meta.changed_trigger IS 'A trigger of ours that a table has and that was made or changed since; null where there is none.';

CREATE OR REPLACE FUNCTION meta.idle_trigger(versioned oid) RETURNS text
    LANGUAGE sql STABLE
    RETURN coalesce(meta.missing_trigger(versioned), meta.changed_trigger(versioned));
COMMENT ON FUNCTION meta.idle_trigger IS 'A trigger of ours that a table lacks, or that is disabled or was meanwhile; null where all were at work.';

CREATE OR REPLACE FUNCTION meta.obstacle_to_keeping(versioned oid, OUT about text, OUT fact text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT 'trigger after ours', quote_ident(tgname)
        FROM pg_trigger
        WHERE tgrelid = versioned AND tgtype & 3 = 3 AND tgenabled IN ('O', 'A')
          AND tgname > '~~~system_versioning_row' AND tgname NOT IN (SELECT name FROM meta.versioning_triggers())
        UNION ALL
        SELECT 'versioned in parts', NULL
        FROM pg_inherits
        WHERE versioned IN (inhrelid, inhparent)
        UNION ALL
        SELECT 'trigger missing', fact
        FROM meta.idle_trigger(versioned) AS fact
        WHERE fact IS NOT NULL
        LIMIT 1;
    END;
COMMENT ON FUNCTION meta.obstacle_to_keeping IS 'What was done to a table since, and would spoil its versions: the name of a refusal, and a fact for it.';

CREATE OR REPLACE FUNCTION meta.versioned_before_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    obstacle record;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'history truncated', 'table', TG_RELID::regclass::text);
    END IF;
    SELECT * INTO obstacle FROM meta.obstacle_to_keeping(TG_RELID);
    IF obstacle.about IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            obstacle.about, 'table', TG_RELID::regclass::text, 'fact', obstacle.fact);
    END IF;
    -- Who writes a key that is checked late does not wait for who takes it away, and would begin a
    -- version before the last one's end. Such tables have one writer at a time.
    PERFORM pg_advisory_xact_lock('meta.key_gone'::regclass::oid::integer, TG_RELID::integer)
    FROM pg_constraint
    WHERE conrelid = TG_RELID AND contype = 'p' AND condeferrable;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_before_statement IS 'Refuses TRUNCATE of a table that versions itself, and what its triggers could not keep.';

CREATE OR REPLACE FUNCTION meta.versioned_period_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
        'period written', 'table', TG_RELID::regclass::text);
END $$;
COMMENT ON FUNCTION meta.versioned_period_written IS 'Refuses a statement that writes sys_start or sys_end.';

-- Only what this transaction ended, so that who may not read history learns nothing else of it.
CREATE OR REPLACE FUNCTION meta.held_since(one anyelement, versioned oid) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    since timestamptz;
BEGIN
    -- A domain's values are of its own type in one row, and of its base type in history.
    EXECUTE format(
        'SELECT closed.sys_start FROM %s AS closed, (SELECT ($1).*) AS one '
        'WHERE %s AND closed.sys_end = $2 AND ROW(%s)::record *= ROW(%s)::record LIMIT 1', meta.history_of(versioned),
        meta.each_of(meta.versioned_key(versioned), 'closed.@ = one.@', ' AND '),
        meta.each_of(meta.versioned_columns(versioned), 'closed.@', ', '),
        array_to_string(meta.base_columns(versioned, 'one'), ', '))
    INTO since USING one, meta.system_instant(versioned);
    RETURN since;
END $$;
COMMENT ON FUNCTION meta.held_since IS 'Since when a row was there that this transaction took away; null where that was another, or none.';

-- Which saves looking for each row where there is none. Who says otherwise by this setting has the
-- row begin anew, and no more.
CREATE OR REPLACE FUNCTION meta.has_closed(instant timestamptz) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN instant <> transaction_timestamp()
        OR current_setting('medallion.closed', true) = extract(epoch FROM instant)::text;
COMMENT ON FUNCTION meta.has_closed IS 'Whether this transaction has closed versions, as far as is known.';

CREATE OR REPLACE FUNCTION meta.base_columns(versioned regclass, one text) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (
        SELECT array_agg(format(CASE typtype WHEN 'd' THEN '%I.%I::%s' ELSE '%I.%I' END, one, attname,
                                format_type(pg_basetype(atttypid), -1)) ORDER BY attnum)
        FROM pg_attribute
        JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attname NOT IN ('sys_start', 'sys_end')
    );
COMMENT ON FUNCTION meta.base_columns IS 'The columns whose change opens a version, of a row of that name, as history has them.';

-- It has the last word by its name, so what it compares is what will be written.
CREATE OR REPLACE FUNCTION meta.versioned_before_row() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    instant timestamptz;
    is_part boolean;
    is_generated boolean;
    is_hashed boolean;
    generated jsonb;
    is_another boolean;
BEGIN
    -- What has to be looked up for each row, at once: each query costs more than what it reads.
    SELECT coalesce((SELECT system_time FROM history.tables WHERE versioned = TG_RELID), transaction_timestamp()),
           EXISTS (SELECT FROM pg_inherits WHERE inhrelid = TG_RELID), bool_or(attgenerated <> ''),
           bool_or(attname = 'row_hash'
                   AND atttypid IN ('int8'::regtype, 'numeric'::regtype, 'text'::regtype, 'varchar'::regtype))
    INTO instant, is_part, is_generated, is_hashed
    FROM pg_attribute
    WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
    -- Through a parent, none of the table's triggers of a statement is called.
    IF is_part THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versioned in parts', 'table', TG_RELID::regclass::text);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF meta.is_going_on(TG_RELID) THEN
            NEW := OLD;
        END IF;
        NEW.sys_start := OLD.sys_start;
        NEW.sys_end := 'infinity';
        IF OLD.sys_start = instant THEN
            is_another := true;
        ELSIF is_generated THEN
            -- What is generated is not in NEW yet, so it is nothing in both, or for a domain what it was.
            SELECT jsonb_object_agg(attname, CASE WHEN attname <> 'sys_period' AND typtype = 'd'
                                                  THEN to_jsonb(OLD) -> attname::text END) INTO generated
            FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped AND attgenerated <> '';
            is_another := NOT jsonb_populate_record(NEW, generated) *= jsonb_populate_record(OLD, generated);
        ELSE
            is_another := NOT NEW *= OLD;
        END IF;
        IF NOT is_another THEN
            RETURN NEW;
        END IF;
    END IF;
    IF OLD.sys_start > instant THEN
        CALL meta.refuse_order(TG_RELID, instant, OLD.sys_start);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    -- Of the values that are there, unless the statement brings a hash of its own. A null within a
    -- document is a value, and of two documents of type json each letter tells.
    IF is_hashed AND (
        TG_OP = 'INSERT' AND to_jsonb(NEW) ->> 'row_hash' IS NULL
        OR TG_OP = 'UPDATE' AND to_jsonb(NEW) -> 'row_hash' = to_jsonb(OLD) -> 'row_hash') THEN
        NEW := jsonb_populate_record(NEW, jsonb_build_object(
            'row_hash', (
                SELECT meta.row_hash(jsonb_object_agg(key, value))
                FROM json_each_text(to_json(NEW))
                WHERE key <> ALL (meta.system_columns()))));
    END IF;
    -- What a transaction takes away and puts back as it was goes on, as if it had stayed.
    NEW.sys_start := instant;
    NEW.sys_end := 'infinity';
    IF meta.has_closed(instant) THEN
        is_another := TG_OP = 'INSERT' OR OLD.sys_start = instant;
        IF is_another OR EXISTS (
            SELECT FROM pg_constraint
            JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
            WHERE conrelid = TG_RELID AND contype = 'p'
              AND to_jsonb(NEW) -> attname::text IS DISTINCT FROM to_jsonb(OLD) -> attname::text) THEN
            NEW.sys_start := coalesce(meta.held_since(NEW, TG_RELID), instant);
        END IF;
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION meta.versioned_before_row IS 'Gives what a statement writes the transaction''s time, where it writes anything new.';

CREATE OR REPLACE FUNCTION meta.versioned_before_update() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.sys_start := OLD.sys_start;
    NEW.sys_end := 'infinity';
    IF NEW *= OLD THEN
        RETURN NEW;
    END IF;
    IF OLD.sys_start > transaction_timestamp() THEN
        CALL meta.refuse_order(TG_RELID, transaction_timestamp(), OLD.sys_start);
    END IF;
    NEW.sys_start := transaction_timestamp();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION meta.versioned_before_update IS 'The same of an UPDATE, where nothing has to be looked up for each row.';

CREATE OR REPLACE PROCEDURE meta.refuse_order(versioned regclass, instant timestamptz, latest timestamptz)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = meta.refusal(
        'transaction began before', 'table', versioned::text, 'begun', instant::text, 'version', latest::text);
END $$;
COMMENT ON PROCEDURE meta.refuse_order IS 'Refuses what would begin before a version of the same row that is there.';

-- Who may have triggers on the table could call it by one that takes new rows for old ones.
CREATE OR REPLACE FUNCTION meta.versioned_after_statement() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    instant constant timestamptz := meta.system_instant(TG_RELID);
    history constant regclass := meta.history_of(TG_RELID);
    key constant text[] := meta.versioned_key(TG_RELID);
    same_key constant text := meta.each_of(key, 'one.@ = other.@', ' AND ');
    same constant text := same_key || ' AND one.sys_start = other.sys_start';
    is_first constant boolean := instant = transaction_timestamp() AND coalesce(current_setting('medallion.changed', true), '') = '';
    columns text[];
    again tid[];
    closed bigint;
    is_gone boolean := TG_OP = 'DELETE';
    is_new boolean := TG_OP = 'INSERT';
    is_same boolean := false;
    is_going_on boolean := TG_OP = 'INSERT';
    is_back boolean := TG_OP = 'INSERT';
    latest timestamptz;
BEGIN
    IF NOT EXISTS (
        SELECT FROM meta.versioning_triggers() AS ours
        JOIN pg_trigger ON tgrelid = TG_RELID AND tgname = ours.name
        WHERE ours.name = TG_NAME
          AND tgoldtable IS NOT DISTINCT FROM CASE TG_OP WHEN 'INSERT' THEN NULL ELSE 'was' END
          AND tgnewtable IS NOT DISTINCT FROM CASE TG_OP WHEN 'DELETE' THEN NULL ELSE 'now_is' END) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'versioning taken apart', 'table', TG_RELID::regclass::text, 'fact', 'trigger ' || TG_NAME);
    END IF;
    -- What one look at all rows can tell to be nowhere in them is not looked for below. A join has room
    -- for the columns of both where they are few.
    IF TG_OP = 'UPDATE' THEN
        columns := meta.versioned_columns(TG_RELID);
        EXECUTE format(
            'SELECT bool_or(other.sys_start IS NULL), bool_or(one.sys_start IS NULL), bool_or(one.sys_start = other.sys_start),
                    bool_or(other.sys_start < $1 AND one.sys_start IS DISTINCT FROM other.sys_start),
                    bool_or(one.sys_start <> other.sys_start AND %s)
             FROM was AS one FULL JOIN now_is AS other ON %s',
            CASE WHEN cardinality(columns) > 800 THEN 'true' ELSE format(
                'ROW(%s)::record *= ROW(%s)::record', meta.each_of(columns, 'one.@', ', '), meta.each_of(columns, 'other.@', ', ')) END,
            same_key)
        INTO is_gone, is_new, is_same, is_going_on, is_back USING instant;
    END IF;
    -- Only where another time was set after the first of its rows has none of their triggers seen that.
    IF instant <> transaction_timestamp() THEN
        EXECUTE CASE TG_OP WHEN 'UPDATE' THEN format(
                'SELECT max(coalesce(one.sys_start, other.sys_start)) FROM was AS one FULL JOIN now_is AS other ON %s
                 WHERE one.sys_start > $1 AND other.sys_start IS NULL OR other.sys_start > $1 AND other.sys_start = $2 AND one.sys_start IS NULL', same)
            WHEN 'DELETE' THEN 'SELECT max(sys_start) FROM was WHERE sys_start > $1'
            ELSE 'SELECT max(sys_start) FROM now_is WHERE sys_start > $1 AND sys_start = $2' END
        INTO latest USING instant, transaction_timestamp();
        IF latest IS NOT NULL THEN
            CALL meta.refuse_order(TG_RELID, instant, latest);
        END IF;
    END IF;
    -- Of a transaction's first change, only this statement itself can have brought a row back.
    PERFORM set_config('medallion.changed', CASE WHEN is_first AND NOT (is_new OR is_back) THEN 'once' ELSE 'again' END, true);
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format('INSERT INTO %s (%s, sys_end) SELECT %2$s, $1 FROM was AS one WHERE sys_start < $1',
                       history, meta.stored_columns(TG_RELID)) || CASE WHEN is_same THEN
                       format(' AND NOT EXISTS (SELECT FROM now_is AS other WHERE %s)', same) ELSE '' END
        USING instant;
        GET DIAGNOSTICS closed = ROW_COUNT;
        IF closed > 0 THEN
            PERFORM set_config('medallion.closed', extract(epoch FROM instant)::text, true);
        END IF;
        IF is_gone AND NOT EXISTS (SELECT FROM meta.key_gone) THEN
            INSERT INTO meta.key_gone DEFAULT VALUES;
        END IF;
    END IF;
    -- Where a trigger of the row changes it meanwhile, it is closed twice and goes on once.
    IF is_going_on THEN
        EXECUTE format('SELECT array_agg(closed.ctid) FROM now_is AS other CROSS JOIN LATERAL ('
                       'SELECT ctid FROM %s AS one WHERE %s AND one.sys_end = $1 LIMIT 1) AS closed '
                       'WHERE sys_start < $1', history, same) || CASE TG_OP WHEN 'UPDATE' THEN
                       format(' AND NOT EXISTS (SELECT FROM was AS one WHERE %s)', same) ELSE '' END
        INTO again USING instant;
        IF again IS NOT NULL THEN
            EXECUTE format('DELETE FROM %s WHERE ctid = ANY ($1)', history) USING again;
        END IF;
    END IF;
    -- Rows that a cascade changes twice hide their new key: then it is the old one that is gone.
    IF is_new OR is_gone AND TG_OP = 'UPDATE' THEN
        -- A key that was another's until now: whoever took it away may have begun later, and has committed.
        EXECUTE format('SELECT latest FROM now_is AS other CROSS JOIN LATERAL ('
                       'SELECT sys_end AS latest FROM %s AS one WHERE %s AND one.sys_end > $1 LIMIT 1) AS closed LIMIT 1',
                       history, same_key) INTO latest USING instant;
        IF latest IS NOT NULL THEN
            CALL meta.refuse_order(TG_RELID, instant, latest);
        END IF;
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
           AND pg_sequence_last_value('meta.key_gone_at') > extract(epoch FROM transaction_timestamp()) * 1e6 THEN
            RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = meta.refusal(
                'deleted meanwhile', 'table', TG_RELID::regclass::text);
        END IF;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_after_statement IS 'Keeps what a statement replaced or deleted as closed versions.';

-- What comes back within one statement, or by a trigger of the same, is told only afterwards. Key by
-- key, by index: what this statement has written is in no statistics yet.
CREATE OR REPLACE FUNCTION meta.versioned_again() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    keeping constant text := current_setting('medallion.going_on', true);
    key constant text[] := meta.versioned_key(TG_RELID);
    touched constant text := meta.each_of(key, 'one.@ = touched.@', ' AND ');
    again tid[];
    kept bigint;
BEGIN
    IF current_setting('medallion.changed', true) = 'once' OR NOT (meta.has_closed(meta.system_instant(TG_RELID)) AND has_table_privilege(TG_RELID, 'SELECT') AND has_table_privilege(TG_RELID, 'UPDATE')) THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'SELECT array_agg(other.ctid) FROM (SELECT DISTINCT %s FROM touched) AS touched
         CROSS JOIN LATERAL (
            SELECT ctid, * FROM %s AS one WHERE %3$s AND sys_start = $1 OFFSET 0) AS other
         CROSS JOIN LATERAL (SELECT * FROM %4$s AS one WHERE %3$s AND sys_end = $1 OFFSET 0) AS one
         WHERE ROW(%5$s)::record *= ROW(%6$s)::record',
        array_to_string(key, ', '), TG_RELID::regclass, touched, meta.history_of(TG_RELID),
        meta.each_of(meta.versioned_columns(TG_RELID), 'one.@', ', '),
        array_to_string(meta.base_columns(TG_RELID, 'other'), ', '))
    INTO again USING meta.system_instant(TG_RELID);
    IF again IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('medallion.going_on', TG_RELID || ' ' || pg_trigger_depth(), true);
    EXECUTE format('WITH back AS (UPDATE %s SET sys_start = sys_start WHERE ctid = ANY ($1) RETURNING sys_start)
                    SELECT count(*) FILTER (WHERE sys_start < $2) FROM back', TG_RELID::regclass)
    INTO kept USING again, meta.system_instant(TG_RELID);
    PERFORM set_config('medallion.going_on', coalesce(keeping, ''), true);
    IF kept <> cardinality(again) THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'trigger skips versions', 'table', TG_RELID::regclass::text);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_again IS 'Lets a row go on that a statement took away and put back as it was.';

CREATE OR REPLACE FUNCTION meta.is_system_versioned(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM history.tables AS it
                   WHERE it.versioned = is_system_versioned.versioned AND is_kept);
COMMENT ON FUNCTION meta.is_system_versioned IS 'Whether a table is to keep its versions itself.';

CREATE OR REPLACE PROCEDURE meta.add_versioning_triggers(versioned regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM meta.versioning_triggers() LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s FOR EACH %s %s EXECUTE FUNCTION meta.%I()',
                       one.name, one.event, versioned, one.tables, one.per,
                       replace(one.condition, '@', format('%L::regclass', versioned)), one.function);
        EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', one.name, versioned, one.meaning);
    END LOOP;
    EXECUTE format('ALTER TABLE %s %s', versioned, (
        SELECT string_agg(format('ENABLE TRIGGER %I', name), ', ') FROM meta.versioning_triggers()));
    UPDATE history.tables AS it SET triggers = meta.triggers_as_made(it.versioned)
    WHERE it.versioned = add_versioning_triggers.versioned;
END $$;
COMMENT ON PROCEDURE meta.add_versioning_triggers IS 'Has a table keep its versions from now on.';
