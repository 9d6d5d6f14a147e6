CASE WHEN {column} IS NULL THEN {if_null}
     WHEN NOT pg_input_is_valid({column}, {type_name}) OR {is_cut}
          OR {is_time} AND {column} ~ '[.][0-9]{{6}}0*[1-9]'  -- beyond microseconds
     THEN ARRAY['value unreadable', {column_name}, {type_name}, {column}] END
