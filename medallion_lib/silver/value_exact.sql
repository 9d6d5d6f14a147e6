-- Whether silver's column holds a value as it is: both are written alike, or read as a type that holds
-- more they are the same. Of json, jsonb keeps one member of each name.
CASE WHEN {text} IS NOT DISTINCT FROM {held}::text THEN true
     WHEN {is_json} THEN {text} IS JSON WITH UNIQUE KEYS
     WHEN {is_time} AND {text} ~* {no_time} THEN false
     WHEN pg_input_is_valid({text}, {wider_name}) THEN {text}::{wider} = {widened}
     ELSE false END
