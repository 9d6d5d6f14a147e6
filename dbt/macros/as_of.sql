{# The instant of the run as ISO 8601, never the clock's: the var as_of, or the last that history is
   final at. A later one is refused: built again, the star of that instant would be another. #}
{% macro run_instant() %}
    {%- set watermark = source('meta', 'watermark') -%}  {# always, so that lineage is the same #}
    {%- set text = (var('as_of') or '') | string -%}
    {%- if not execute -%}
        {%- do return('1970-01-01T00:00:00+00:00') -%}
    {%- endif -%}
    {%- set written = '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+ ?([+-][0-9:]+|Z)?)?' -%}
    {%- set has_zone = modules.re.fullmatch('.{10}.*([+-].*|Z)', text) -%}
    {%- set zoned = "'" ~ (text if has_zone else text ~ ' UTC') ~ "'" -%}
    {%- if text and not (modules.re.fullmatch(written, text) and run_query(
            "select pg_input_is_valid(" ~ zoned ~ ", 'timestamptz')").rows[0][0]) -%}
        {%- do exceptions.raise_compiler_error(
            "as_of is " ~ text ~ ", which is not an instant. Write one like 2023-07-01.") -%}
    {%- endif -%}
    {%- set asked = zoned ~ '::timestamptz' if text else 'final' -%}
    {%- set known = run_query(
        "select final, " ~ asked ~ ", " ~ asked ~ " > final from (select max(commit_ts) from "
        ~ watermark ~ " where stage = 'merge') as history (final)").rows[0] -%}
    {%- if not known[0] -%}
        {%- do exceptions.raise_compiler_error(
            "nothing has been merged yet, so there is no instant to build as of. Capture and merge first.") -%}
    {%- elif known[2] -%}
        {%- do exceptions.raise_compiler_error(
            "as_of is " ~ text ~ ", and history is final until " ~ known[0].isoformat() ~ " only: what "
            "comes by then is not known yet. Capture and merge first, or leave as_of out:\n"
            "    python -m medallion_lib capture\n    python -m medallion_lib merge") -%}
    {%- endif -%}
    {%- do return(known[1].isoformat()) -%}
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
