-- Tables that version themselves, for schema scratch: scd_system_versioned('t') makes one of a
-- table, and so does CREATE TABLE … WITH (system_versioning = true) on a connection with the hook.
-- Every function runs as who calls it: a table's owner could have triggers and defaults of its own
-- run by a function of ours, so none of ours may do more than that owner. What is parsed when it is
-- made needs no search_path of its own.

CREATE FUNCTION meta.versioned_key(versioned regclass) RETURNS text[]
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

CREATE FUNCTION meta.versioned_columns(versioned regclass) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (
        SELECT array_agg(quote_ident(attname) ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attname NOT IN ('sys_start', 'sys_end')
    );
COMMENT ON FUNCTION meta.versioned_columns IS 'The columns, quoted, whose change opens a version.';

CREATE FUNCTION meta.each_of(names text[], one text, between_them text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN (
        SELECT string_agg(replace(one, '@', name), between_them ORDER BY place)
        FROM unnest(names) WITH ORDINALITY AS part (name, place)
    );
COMMENT ON FUNCTION meta.each_of IS 'A text for each of the names, which is @ in it.';

-- The setting alone could be made by anybody; the depth says that a trigger is at work.
CREATE FUNCTION meta.is_keeping_history(versioned oid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN current_setting('medallion.keeping_history', true) = versioned::text
       AND pg_trigger_depth() > 1;
COMMENT ON FUNCTION meta.is_keeping_history IS 'Whether a change is one that the table''s own triggers make.';

CREATE FUNCTION meta.versioned_before_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    here text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'history truncated', 'table', TG_RELID::regclass::text);
    END IF;
    -- MERGE would take a row that was deleted for one that is there, and not insert it again.
    GET DIAGNOSTICS here = PG_CONTEXT;
    here := current_query() || here;
    IF here !~* '\mmerge\M' OR meta.is_keeping_history(TG_RELID) THEN
        RETURN NULL;
    END IF;
    IF here ~* format('\mmerge\s+into\s+(only\s+)?("?\w+"?\s*\.\s*)?"?%s"?(\s|$)',
                      regexp_replace(TG_TABLE_NAME, '(\W)', '\\\1', 'g'))
       AND here !~* '\msys_end\M' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'history merged', 'table', TG_RELID::regclass::text,
            'view', meta.current_view(TG_RELID));
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_before_statement IS 'Refuses TRUNCATE of a system-versioned table, and a MERGE into it that would take closed versions for rows.';

CREATE FUNCTION meta.versioned_before_row() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    instant constant timestamptz := transaction_timestamp();
    generated jsonb;
    has_hash boolean;
    same_key text;
    last timestamptz;
BEGIN
    IF meta.is_keeping_history(TG_RELID) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.sys_end <> 'infinity' THEN
        RETURN NULL;
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
        SELECT jsonb_object_agg(attname, NULL) FILTER (WHERE attgenerated <> ''),
               bool_or(attname = 'row_hash' AND atttypid IN (
                   'int8'::regtype, 'numeric'::regtype, 'text'::regtype, 'varchar'::regtype)),
               string_agg(format('%1$I = ($1).%1$I', attname), ' AND ') FILTER (
                   WHERE attnum = ANY (conkey)
                     AND attname NOT IN ('sys_start', 'sys_end', 'sys_period'))
        INTO generated, has_hash, same_key
        FROM pg_attribute
        JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
        IF TG_OP = 'UPDATE' THEN
            NEW.sys_start := OLD.sys_start;
            NEW.sys_end := 'infinity';
            -- What is generated is not in NEW yet.
            IF NEW *= jsonb_populate_record(OLD, generated) THEN
                RETURN NEW;
            END IF;
            last := OLD.sys_start;
        END IF;
        -- A key that is new to the table may have been in it before.
        IF last IS NULL OR last <= instant THEN
            EXECUTE format(
                'SELECT max(sys_end) FROM %s WHERE %s AND sys_end > $2 AND sys_end < ''infinity''',
                TG_RELID::regclass, same_key)
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
    -- As the merge into silver makes it, unless the statement brings one of its own.
    IF has_hash THEN
        IF TG_OP = 'INSERT' AND to_jsonb(NEW) ->> 'row_hash' IS NULL
           OR TG_OP = 'UPDATE' AND to_jsonb(NEW) -> 'row_hash' = to_jsonb(OLD) -> 'row_hash' THEN
            NEW := jsonb_populate_record(NEW, jsonb_build_object(
                'row_hash', hashtextextended(jsonb_strip_nulls(
                    to_jsonb(NEW) - '{row_hash,sys_start,sys_end,sys_period}'::text[])::text, 0)));
        END IF;
    END IF;
    NEW.sys_start := instant;
    NEW.sys_end := 'infinity';
    RETURN NEW;
END $$;
COMMENT ON FUNCTION meta.versioned_before_row IS 'Lets a statement change current rows only, and gives what it writes the transaction''s time.';

-- Once the new versions are there, the old ones are inserted as history: before, they would
-- overlap.
CREATE FUNCTION meta.versioned_after_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    keeping constant text := current_setting('medallion.keeping_history', true);
    key constant text[] := meta.versioned_key(TG_RELID);
    columns constant text[] := meta.versioned_columns(TG_RELID);
    same constant text := meta.each_of(key, 'one.@ = other.@', ' AND ');
BEGIN
    IF meta.is_keeping_history(TG_RELID) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('medallion.keeping_history', TG_RELID::text, true);
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format(
            'INSERT INTO %s (%s, sys_start, sys_end) OVERRIDING SYSTEM VALUE '
            'SELECT %2$s, sys_start, $1 FROM was AS one WHERE sys_start < $1 %s',
            TG_RELID::regclass, array_to_string(columns, ', '),
            CASE WHEN TG_OP = 'UPDATE' THEN format('AND NOT EXISTS (
                SELECT FROM now_is AS other WHERE %s AND other.sys_start = one.sys_start)', same)
            END)
        USING transaction_timestamp();
    END IF;
    -- What a transaction takes away and puts back as it was goes on, as if it had stayed.
    -- Key by key, by index: what this statement has written is in no statistics yet.
    EXECUTE format(
        'WITH again AS (DELETE FROM %1$s AS one
            USING (SELECT DISTINCT %3$s FROM %4$s) AS touched
            CROSS JOIN LATERAL (
                SELECT * FROM %1$s AS one
                WHERE %5$s AND sys_end = ''infinity'' AND sys_start = $1
                OFFSET 0) AS other
            WHERE %2$s AND one.sys_end = $1 AND ROW(%6$s)::record *= ROW(%7$s)::record
            RETURNING one.*)
         UPDATE %1$s AS one SET sys_start = other.sys_start FROM again AS other
         WHERE %2$s AND one.sys_end = ''infinity''',
        TG_RELID::regclass, same, array_to_string(key, ', '),
        CASE WHEN TG_OP = 'DELETE' THEN 'was' ELSE 'now_is' END,
        meta.each_of(key, 'one.@ = touched.@', ' AND '),
        meta.each_of(columns, 'one.@', ', '), meta.each_of(columns, 'other.@', ', '))
    USING transaction_timestamp();
    PERFORM set_config('medallion.keeping_history', coalesce(keeping, ''), true);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION meta.versioned_after_statement IS 'Keeps what a statement replaced or deleted as closed versions.';
