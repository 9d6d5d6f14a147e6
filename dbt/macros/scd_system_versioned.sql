{#- A materialisation: the model's result becomes a system-versioned table. What it means to the
    user stands in scd_system_versioned.yml. Everything of one model happens in one transaction. -#}
{% materialization scd_system_versioned, adapter='postgres' %}
  {%- set target = this.incorporate(type='table') -%}
  {%- set view = scd__current_view(target) -%}
  {%- set existing = load_cached_relation(this) -%}
  {%- if should_full_refresh() and existing is not none -%}
    {%- do log(this ~ ': --full-refresh keeps the history; this is a run as any other. To begin '
               'anew, drop the table first.', info=true) -%}
  {%- endif -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {%- do scd__preflight(target, view, existing) -%}
  {%- if existing is not none -%}
    {#- Before the model is read: of two runs, the later one writes what it read later. -#}
    {%- do run_query('LOCK TABLE ' ~ target ~ ' IN SHARE ROW EXCLUSIVE MODE') -%}
  {%- endif -%}
  {%- call statement('result') -%}
    {{ config.get('sql_header', '') }}
    CREATE TEMPORARY TABLE scd_result ON COMMIT DROP AS (
    {{ sql }}
    )
  {%- endcall -%}
  {%- set result = scd__columns('pg_temp.scd_result') -%}
  {%- set rows = load_result('result').response.rows_affected -%}
  {%- set key = scd__key(result) -%}

  {%- set session = scd__set_session(scd__settings()) -%}
  {%- if existing is none -%}
    {%- do run_query(scd__try_key(key)) -%}
    {%- do run_query(scd__create(target)) -%}
  {%- endif -%}
  {%- set current_rows = 0 if existing is none else scd__checked(target, key) -%}
  {%- set altered = existing is not none and scd__alter(target, view, result) -%}
  {%- set columns = scd__columns(target) | rejectattr('name', 'in', scd__own_columns()) | list -%}
  {%- do run_query(scd__compare(target, columns, result, key)) -%}
  {%- if scd__is_dubious(key, rows, current_rows) -%}
    {%- do scd__raise_if(scd__key_problem(key)) -%}
  {%- endif -%}
  {%- call statement('main') -%}
    {{ scd__merge(target, columns, result, key) }}
  {%- endcall -%}
  {%- if existing is none -%}
    {#- After the first rows: building an index is faster than filling it. -#}
    {%- do run_query('ALTER TABLE ' ~ target ~ ' ADD PRIMARY KEY (' ~ scd__each(key) ~ ')') -%}
  {%- endif -%}
  {%- if altered or not scd__answers(target, view) -%}
    {%- do run_query('CALL meta.make_versioned(' ~ scd__literal(target) ~ '); '
                     'CALL meta.make_functions(' ~ scd__literal(target) ~ '); ANALYZE ' ~ target) -%}
  {%- endif -%}
  {%- do scd__set_session(session) -%}

  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {%- for relation in (target, view) -%}
    {%- do apply_grants(relation, config.get('grants'), should_revoke=true) -%}
  {%- endfor -%}
  {%- do persist_docs(target, model) -%}
  {{ adapter.commit() }}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target, view]}) }}
{% endmaterialization %}


{#- The instant of this run, as SQL: the run's start, the same for all models, or with
    instant='transaction' the model's own transaction. -#}
{% macro scd_instant() -%}
  {%- if config.get('instant', 'run') == 'transaction' -%}
    transaction_timestamp()
  {%- else -%}
    '{{ run_started_at.isoformat() }}'::timestamptz
  {%- endif -%}
{%- endmacro %}

{% macro scd__own_columns() %}
  {{ return(['row_hash', 'sys_start', 'sys_end', 'sys_period']) }}
{% endmacro %}

{#- As the tables of silver name theirs. -#}
{% macro scd__current_view(table) %}
  {%- set name = table.identifier -%}
  {%- set name = name[:-5] if name.endswith('_hist') and name | length > 5 else name ~ '_current' -%}
  {{ return(table.incorporate(path={'identifier': name}, type='view')) }}
{% endmacro %}

{% macro scd__value(query) %}
  {%- set rows = run_query(query).rows -%}
  {{ return(rows[0][0] if rows else none) }}
{% endmacro %}

{% macro scd__raise_if(problem) %}
  {%- if problem -%}
    {%- do exceptions.raise_compiler_error(this.schema ~ '.' ~ this.identifier ~ ': ' ~ problem) -%}
  {%- endif -%}
{% endmacro %}

{#- The columns in their order: name, quoted (as SQL has it) and type. -#}
{% macro scd__columns(relation) %}
  {%- set rows = run_query(
      "SELECT attname, quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute "
      "WHERE attrelid = " ~ scd__literal(relation) ~ "::regclass "
      "AND attnum > 0 AND NOT attisdropped ORDER BY attnum").rows -%}
  {%- set columns = [] -%}
  {%- for row in rows -%}
    {%- do columns.append({'name': row[0], 'quoted': row[1], 'type': row[2]}) -%}
  {%- endfor -%}
  {{ return(columns) }}
{% endmacro %}

{#- `one` for each of the columns; @ in it is the column. -#}
{% macro scd__each(columns, one='@', separator=', ') %}
  {%- set parts = [] -%}
  {%- for column in columns -%}
    {%- do parts.append(one | replace('@', column.quoted)) -%}
  {%- endfor -%}
  {{ return(parts | join(separator)) }}
{% endmacro %}

{% macro scd__literal(text) %}
  {{ return("'" ~ (text | string).replace("'", "''") ~ "'") }}
{% endmacro %}

{% macro scd__literals(names) %}
  {%- set parts = [] -%}
  {%- for name in names -%}
    {%- do parts.append(scd__literal(name)) -%}
  {%- endfor -%}
  {{ return('ARRAY[' ~ parts | join(', ') ~ ']::text[]') }}
{% endmacro %}


{#- --- What is refused ---------------------------------------------------------------------- -#}

{% macro scd__preflight(table, view, existing) %}
  {%- set instant = config.get('instant', 'run') -%}
  {%- if not config.get('unique_key') -%}
    {%- do scd__raise_if("say in its config which columns tell its rows apart: unique_key='id', or "
                         "unique_key=['order_id', 'line'].") -%}
  {%- elif instant not in ('run', 'transaction') -%}
    {%- do scd__raise_if("instant is '" ~ instant ~ "': it can be 'run', the run's start for all "
                         "its models, or 'transaction', each model's own.") -%}
  {%- elif [table.identifier.encode() | length, view.identifier.encode() | length] | max > 49 -%}
    {%- do scd__raise_if('the name leaves no room for ' ~ view.identifier ~ '__contained_in: '
                         'PostgreSQL has 63 bytes for a name. Give it a shorter alias.') -%}
  {%- elif not scd__value("SELECT to_regproc('meta.row_hash') IS NOT NULL") -%}
    {%- do scd__raise_if('its database lacks what makes a table versioned, for which it needs PostgreSQL 18 '
                         'or newer. Once, as its owner:\n    python -c "from medallion_lib import databases; '
                         "databases.add_versions('postgresql://…')\"") -%}
  {%- elif existing is none -%}
    {%- do scd__raise_if(scd__value(
        "SELECT CASE WHEN to_regclass(" ~ scd__literal(view) ~ ") IS NOT NULL THEN 'the view of its current rows "
        "would be ' || " ~ scd__literal(view.identifier) ~ " || ', and there is one of that name. Rename one "
        "of them.' END")) -%}
  {%- else -%}
    {%- do scd__raise_if(scd__value(
        "SELECT 'is there, but is no table that this materialisation made. Drop or rename it, "
        "or give the model an alias.' WHERE NOT EXISTS (SELECT FROM pg_constraint "
        "WHERE conrelid = " ~ scd__literal(table) ~ "::regclass AND contype = 'p' AND conperiod)")) -%}
  {%- endif -%}
{% endmacro %}

{#- The columns of unique_key, as the result has them. -#}
{% macro scd__key(result) %}
  {%- set asked = config.get('unique_key') -%}
  {%- set asked = [asked] if asked is string else asked | list -%}
  {%- set names = result | map(attribute='name') | list -%}
  {%- for name in asked -%}
    {%- if name not in names -%}
      {%- do scd__raise_if('the result has no column ' ~ name ~ ', which unique_key names; it has '
                           ~ names | join(', ') ~ '.') -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for name in names -%}
    {%- if name in scd__own_columns() -%}
      {%- do scd__raise_if('the result has a column ' ~ name ~ ', which the history itself needs. '
                           'Give it another name.') -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(result | selectattr('name', 'in', asked) | list) }}
{% endmacro %}

{% macro scd__key_problem(key) %}
  {%- set is_null = scd__each(key, '@ IS NULL', ' OR ') -%}
  {{ return(scd__value(
      "SELECT format(CASE WHEN " ~ is_null ~ " THEN 'a key is null: (%s) is (%s)%3$s.' "
      "ELSE 'the result has the key (%s) = (%s)%3$s; a key has one row.' END, $k$"
      ~ scd__each(key) ~ "$k$, concat_ws(', ', " ~ scd__each(key, "coalesce(@::text, 'null')") ~ "), "
      "CASE WHEN count(*) > 1 THEN format(', in %s rows', count(*)) END) "
      "FROM pg_temp.scd_result GROUP BY " ~ scd__each(key)
      ~ " HAVING count(*) > 1 OR " ~ is_null ~ " LIMIT 1")) }}
{% endmacro %}

{#- Whether a key may be null or there twice. Each row of the result that is not new has a current
    row, and each current row that is not gone a row of the result: as many, if keys are unique.
    Counting so spares grouping the whole result. -#}
{% macro scd__is_dubious(key, rows, current_rows) %}
  {%- set counts = run_query(
      "SELECT count(*) FILTER (WHERE sys_start IS NULL), count(*) FILTER (WHERE row_hash IS NULL), "
      "count(*) - count(DISTINCT (" ~ scd__each(key) ~ ")) + count(*) FILTER (WHERE "
      ~ scd__each(key, '@ IS NULL', ' OR ') ~ ") FROM pg_temp.scd_changed").rows[0] -%}
  {{ return(counts[2] > 0 or rows - counts[0] != current_rows - counts[1]) }}
{% endmacro %}

{#- How many current rows there are, once nothing stands against writing to the table. -#}
{% macro scd__checked(table, key) %}
  {%- set names = scd__literals(key | map(attribute='name')) -%}
  {%- set found = run_query(
      "SELECT current_rows, CASE WHEN NOT (SELECT array_agg(attname::text ORDER BY attname) = "
      "(SELECT array_agg(name ORDER BY name COLLATE \"C\") FROM unnest(" ~ names ~ ") AS name) "
      "FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey) "
      "WHERE conrelid = " ~ scd__literal(table) ~ "::regclass AND contype = 'p' AND attname <> 'sys_period') "
      "THEN 'its history goes by another unique_key. Give the model an alias to begin a new one.' "
      "WHEN last >= instant THEN format('it holds a version of %s, and this run is of %s: a run that "
      "began later was faster. Run it again.', last, instant) "
      "WHEN instant > clock_timestamp() THEN format('this machine''s clock is ahead of the server''s "
      "by %s. Set it, or say instant=''transaction''.', instant - clock_timestamp()) END "
      "FROM (SELECT count(*) FILTER (WHERE sys_end = 'infinity'), greatest(max(sys_start), "
      "max(sys_end) FILTER (WHERE sys_end < 'infinity')), " ~ scd_instant() ~ " FROM " ~ table
      ~ ") AS version (current_rows, last, instant)").rows[0] -%}
  {%- do scd__raise_if(found[1]) -%}
  {{ return(found[0]) }}
{% endmacro %}


{#- --- The table ---------------------------------------------------------------------------- -#}

{#- The settings that to_jsonb's text of a value depends on, as medallion_lib's sessions have them:
    hashes of one run are compared with those of another. -#}
{% macro scd__settings() %}
  {{ return({'TimeZone': 'UTC', 'IntervalStyle': 'postgres', 'extra_float_digits': '1',
             'bytea_output': 'hex', 'lc_monetary': 'C', 'DateStyle': 'ISO'}) }}
{% endmacro %}

{#- Make these the transaction's settings; returns what they were. -#}
{% macro scd__set_session(settings) %}
  {%- set names = settings | list -%}
  {%- set get, put = [], [] -%}
  {%- for name in names -%}
    {%- do get.append("current_setting('" ~ name ~ "')::text") -%}
    {%- do put.append("set_config('" ~ name ~ "', '" ~ settings[name] ~ "', true)") -%}
  {%- endfor -%}
  {%- set was = run_query('SELECT ' ~ get | join(', ')).rows[0] -%}
  {%- do run_query('SELECT ' ~ put | join(', ')) -%}
  {{ return(dict(zip(names, was))) }}
{% endmacro %}

{#- Whether a history can go by this key, on no rows: else the server's reason, and what to do. -#}
{% macro scd__try_key(key) %}
  DO $try$
  BEGIN
      CREATE TEMPORARY TABLE scd_key ON COMMIT DROP AS
      SELECT {{ scd__each(key) }}, tstzrange(NULL, NULL) AS sys_period FROM pg_temp.scd_result LIMIT 0;
      CREATE UNIQUE INDEX ON pg_temp.scd_key ({{ scd__each(key) }});
      ALTER TABLE pg_temp.scd_key ADD PRIMARY KEY ({{ scd__each(key) }}, sys_period WITHOUT OVERLAPS);
  EXCEPTION WHEN undefined_object OR undefined_function OR too_many_columns OR feature_not_supported THEN
      RAISE EXCEPTION USING MESSAGE = $text${{ this }}: its versions can't go by unique_key ({{ scd__each(key) }}): $text$
          || SQLERRM || '. Name columns of other types, or cast them in the model, such as id::text AS id.';
  END
  $try$
{% endmacro %}

{#- Its keys come once it has rows. -#}
{% macro scd__create(table) %}
  CREATE TABLE {{ table }} (LIKE pg_temp.scd_result, row_hash bigint NOT NULL);
  CALL meta.add_period({{ scd__literal(table) }});
  COMMENT ON COLUMN {{ table }}.row_hash IS 'A hash of the model''s columns: a run that leaves it the same opens no version.';
  COMMENT ON COLUMN {{ table }}.sys_start IS 'From when this version held: the instant of the run that brought it.';
  COMMENT ON COLUMN {{ table }}.sys_end IS 'Until when it held (excluded): the instant of the run that had another or none; infinity for the current version.';
{% endmacro %}

{#- Arrays, for a function takes at most 100 arguments, and a table may have 1,600 columns. -#}
{% macro scd__hash(row, columns) -%}
  {%- set hashed = columns | rejectattr('name', 'in', scd__own_columns()) | list -%}
  meta.row_hash(jsonb_object({{ scd__literals(hashed | map(attribute='name')) }},
      ARRAY[{{ scd__each(hashed, row ~ '.@::text') }}]::text[]))
{%- endmacro %}

{#- What differs from the current rows, a small part of the result as a rule; row_hash is null for a
    key that is gone, sys_start for one that is new. The hash decides in the end, and is made only where the rows differ in their
    bytes: comparing is several times faster than hashing. Both rows are hashed now: the table's
    row_hash may be of an older way to make it. -#}
{% macro scd__compare(table, columns, result, key) %}
  {%- set names = result | map(attribute='name') | list -%}
  {%- set keys = key | map(attribute='name') | list -%}
  {%- set kept = columns | selectattr('name', 'in', names) | list -%}
  {%- set gone = columns | rejectattr('name', 'in', names) | list -%}
  CREATE TEMPORARY TABLE scd_changed ON COMMIT DROP AS
  SELECT {{ scd__each(key, 'coalesce(result.@, current.@) AS @') }},
         {{ scd__each(kept | rejectattr('name', 'in', keys), 'result.@, ', '') }}
         CASE WHEN result.{{ key[0].quoted }} IS NOT NULL
              THEN {{ scd__hash('result', result) }} END AS row_hash,
         {{ scd__hash('current', columns) }} AS hash_before,
         current.sys_start
  FROM pg_temp.scd_result AS result
  FULL JOIN (SELECT * FROM {{ table }} WHERE sys_end = 'infinity') AS current
  ON {{ scd__each(key, 'current.@ = result.@', ' AND ') }}
  WHERE NOT ROW({{ scd__each(kept, 'current.@') }}{{ scd__each(gone, ', current.@', '') }})::record
            *= ROW({{ scd__each(kept, 'result.@') }}{{ scd__nulls(gone) }})::record
{% endmacro %}

{% macro scd__nulls(columns) -%}
  {%- for column in columns %}, NULL::{{ column.type }}{% endfor -%}
{%- endmacro %}

{#- The current row becomes the newest version in place; what it was is handed on as `old`. A column
    that the result no longer has is null from now on. The UPDATE of all columns comes first: the
    server counts those of both, and after the other has no room for more than 830. -#}
{% macro scd__merge(table, columns, result, key) %}
  {%- set names = result | map(attribute='name') | list -%}
  {%- set kept = columns | selectattr('name', 'in', names) | list -%}
  {%- set gone = columns | rejectattr('name', 'in', names) | list -%}
  WITH merged AS (
      MERGE INTO {{ table }} AS hist
      USING pg_temp.scd_changed AS changed
      ON {{ scd__each(key, 'hist.@ = changed.@', ' AND ') }} AND hist.sys_end = 'infinity'
      WHEN MATCHED AND changed.row_hash <> changed.hash_before THEN
          UPDATE SET {{ scd__each(kept, '@ = changed.@, ', '') }}{{ scd__each(gone, '@ = NULL, ', '') }}
                     row_hash = changed.row_hash, sys_start = {{ scd_instant() }}
      WHEN MATCHED AND changed.row_hash IS NULL THEN
          UPDATE SET sys_end = {{ scd_instant() }}
      WHEN NOT MATCHED THEN
          INSERT ({{ scd__each(kept) }}, row_hash, sys_start)
          VALUES ({{ scd__each(kept, 'changed.@') }}, changed.row_hash, {{ scd_instant() }})
      RETURNING {{ scd__each(columns, 'old.@') }}, old.row_hash, old.sys_start, new.sys_end
  ),
  history AS (
      INSERT INTO {{ table }} ({{ scd__each(columns) }}, row_hash, sys_start, sys_end)
      SELECT {{ scd__each(columns) }}, row_hash, sys_start, {{ scd_instant() }}
      FROM merged
      WHERE sys_start IS NOT NULL AND sys_end = 'infinity'
  )
  SELECT FROM merged  -- how many keys changed, for dbt to print
{% endmacro %}

{#- Give the table the result's new columns and types; whether there were any. -#}
{% macro scd__alter(table, view, result) %}
  {%- set has = {} -%}
  {%- for column in scd__columns(table) -%}
    {%- do has.update({column.name: column}) -%}
  {%- endfor -%}
  {%- set added, changed = [], [] -%}
  {%- for column in result -%}
    {%- if column.name not in has -%}
      {%- do added.append('ADD COLUMN ' ~ column.quoted ~ ' ' ~ column.type) -%}
    {%- elif has[column.name].type != column.type -%}
      {%- do changed.append({'new': column, 'old': has[column.name]}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if added -%}
    {%- do run_query('ALTER TABLE ' ~ table ~ ' ' ~ added | join(', ')) -%}
  {%- endif -%}
  {%- if changed -%}
    {%- do run_query(scd__retype(table, view, changed)) -%}
    {%- set columns = scd__columns(table) -%}
    {%- do run_query('UPDATE ' ~ table ~ ' AS version SET row_hash = '
                     ~ scd__hash('version', columns)) -%}
  {%- endif -%}
  {{ return(added or changed) }}
{% endmacro %}

{#- A type may change as long as every value in history comes back from it as it was. -#}
{% macro scd__retype(table, view, changed) %}
  DO $retype$
  DECLARE
      unfit bigint;
      made text;
      what text;
  BEGIN
  {% for column in changed %}
      BEGIN
          SELECT count(*) INTO unfit
          FROM {{ table }} AS version
          WHERE NOT ROW(version.{{ column.old.quoted }}::{{ column.new.type }}::{{ column.old.type }})::record
                    *= ROW(version.{{ column.old.quoted }})::record;
      EXCEPTION WHEN data_exception OR cannot_coerce OR undefined_function THEN
          unfit := -1;
      END;
      IF unfit <> 0 THEN
          RAISE EXCEPTION USING MESSAGE = $text${{ table }}: column {{ column.new.quoted }} is {{ column.new.type }} now, and history has values of {{ column.old.type }} that this type cannot hold as they are. Cast it to {{ column.old.type }} in the model, or give it a new name.$text$;
      END IF;
  {% endfor %}
      SELECT string_agg(oid::regprocedure::text, ', ') INTO made
      FROM pg_proc
      WHERE {{ scd__is_function(table, view) }};
      IF made IS NOT NULL THEN
          EXECUTE 'DROP FUNCTION ' || made;
      END IF;
      DROP VIEW IF EXISTS {{ view }};
      ALTER TABLE {{ table }}
      {% for column in changed %}
          ALTER COLUMN {{ column.new.quoted }} TYPE {{ column.new.type }}
              USING {{ column.new.quoted }}::{{ column.new.type }}{{ ',' if not loop.last }}
      {% endfor %};
  EXCEPTION WHEN dependent_objects_still_exist OR feature_not_supported THEN
      GET STACKED DIAGNOSTICS what = PG_EXCEPTION_DETAIL;
      RAISE EXCEPTION USING MESSAGE = $text${{ table }}: the type of a column changes, and others read it. Drop them, run this again and make them anew: $text$ || what;
  END
  $retype$
{% endmacro %}


{#- --- The functions of FOR SYSTEM_TIME ------------------------------------------------------ -#}

{% macro scd__is_function(table, view) -%}
  (proname, prorettype) IN (
      SELECT relname || '__' || form, reltype
      FROM pg_class, unnest(ARRAY['as_of', 'from_to', 'between', 'symmetric', 'contained_in', 'all']) AS form
      WHERE pg_class.oid IN (to_regclass({{ scd__literal(table) }}), to_regclass({{ scd__literal(view) }})))
{%- endmacro %}

{#- Whether the view and all the functions are there. -#}
{% macro scd__answers(table, view) %}
  {{ return(scd__value('SELECT count(*) FROM pg_proc WHERE ' ~ scd__is_function(table, view)) == 12) }}
{% endmacro %}
