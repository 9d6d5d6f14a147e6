CASE WHEN {column} IS NULL THEN {if_null}
     WHEN NOT pg_input_is_valid({column}, {type_name}) OR {is_cut}
     THEN ARRAY['value unreadable', {column_name}, {type_name}, {column}] END
