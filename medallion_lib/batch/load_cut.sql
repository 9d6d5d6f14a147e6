-- Whether the text says more than its type holds: an hour, digits, letters.
CASE WHEN pg_input_is_valid({column}, {exact_name})
     THEN {column}::{type} IS DISTINCT FROM {column}::{exact}
     ELSE {column}::{type}::text IS DISTINCT FROM {column} END
