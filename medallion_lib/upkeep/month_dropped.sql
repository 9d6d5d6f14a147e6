SET LOCAL lock_timeout = '1s';
ALTER TABLE {silver} DETACH PARTITION {leaf};
DROP TABLE {leaf}
