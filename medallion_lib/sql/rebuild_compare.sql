SELECT (SELECT count(*) FROM {silver}),
       (SELECT count(*) FROM (
           SELECT {columns} FROM {kept} EXCEPT ALL SELECT {columns} FROM {silver}) AS lost),
       (SELECT count(*) FROM (
           SELECT {columns} FROM {silver} EXCEPT ALL SELECT {columns} FROM {kept}) AS gained)
