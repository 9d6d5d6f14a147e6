{# The instant of the run as ISO 8601, never the clock's: the var as_of, or the last of history. #}
{% macro run_instant() %}
    {%- set watermark = source('meta', 'watermark') -%}  {# always, so that lineage is the same #}
    {%- if execute and not var('as_of') -%}
        {%- set known = run_query(
            "select max(commit_ts) from " ~ watermark ~ " where stage = 'merge'") -%}
        {%- do return(known.columns[0][0].isoformat()) -%}
    {%- endif -%}
    {%- set text = (var('as_of') or '1970-01-01') | string -%}
    {%- set written = '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+([+-][0-9:]+|Z)?)?' -%}
    {%- if not modules.re.fullmatch(written, text) -%}
        {%- do exceptions.raise_compiler_error(
            "as_of is " ~ text ~ ", which is not an instant. Write one like 2023-07-01.") -%}
    {%- endif -%}
    {%- set at = modules.datetime.datetime.fromisoformat(text) -%}
    {%- do return((at if at.tzinfo else at.replace(tzinfo=modules.pytz.utc)).isoformat()) -%}
{% endmacro %}

{# A relation of silver as of the run's instant: what FOR SYSTEM_TIME AS OF is rewritten to. #}
{% macro as_of(relation) %}
    {{- relation.include(database=false, identifier=false) }}."{{ relation.identifier }}__as_of"(
        timestamptz '{{ run_instant() }}')
{%- endmacro %}

{# The day (UTC) of an instant. #}
{% macro utc_day(column) -%}
    (({{ column }}) at time zone 'UTC')::date
{%- endmacro %}
