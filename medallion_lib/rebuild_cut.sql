DELETE FROM {silver} WHERE sys_end <= (SELECT since FROM meta.horizon WHERE relation = {relation}::regclass)
