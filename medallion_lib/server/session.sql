-- Every session of ours. SET after connecting: the client's environment beats connection options.
-- How values print must be the same for snapshot, stream and every client, or their rows differ.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET lc_monetary = 'C';
SET lock_timeout = '30s';
-- Of the catalog's queries, which read few rows and seem to read many, each would be compiled for seconds.
SELECT set_config('jit', 'off', false) WHERE current_setting('jit', true) = 'on';
