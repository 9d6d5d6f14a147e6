select
    as_of,
    {{ utc_day('as_of') }} as as_of_day

from (select timestamptz '{{ run_instant() }}' as as_of) as instant
