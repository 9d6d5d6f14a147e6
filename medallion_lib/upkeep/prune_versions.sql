DELETE FROM {leaf} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {leaf} WHERE sys_end <= %(before)s LIMIT %(most)s))
