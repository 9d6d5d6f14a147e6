SELECT NOT EXISTS (SELECT FROM {leaf} WHERE sys_end > %(before)s), (SELECT count(*) FROM {leaf} WHERE sys_end <= %(before)s)
